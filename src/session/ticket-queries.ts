import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** The path that the window is opened for, and the sign-in that opens it, with its token as it lies sealed. */
const Ticket = z.object({
  path: z.string(),
  userId: z.number(),
  email: z.string(),
  name: z.string(),
  accessToken: z.instanceof(Buffer),
})

export async function insertTicket(
  db: Db,
  ticket: { hash: Buffer; signInId: string; path: string; seconds: number },
): Promise<void> {
  await db.run(
    `insert into window_tickets (hash, sign_in_id, path, expires_at)
     values ($1, $2, $3, now() + make_interval(secs => $4))`,
    [ticket.hash, ticket.signInId, ticket.path, ticket.seconds],
  )
}

/** Good once. */
export function takeTicket(db: Db, hash: Buffer): Promise<z.output<typeof Ticket> | null> {
  return db.maybeOne(
    Ticket,
    `with taken as (delete from window_tickets where hash = $1 and expires_at > now() returning sign_in_id, path)
     select taken.path, s.user_id, u.email, u.name, s.access_token
     from taken join sign_ins s on s.id = taken.sign_in_id join users u on u.id = s.user_id`,
    [hash],
  )
}

export function deleteExpiredTickets(db: Db): Promise<number> {
  return db.run(`delete from window_tickets where expires_at < now()`)
}
