import { z } from 'zod'
import type { Db } from '../../db/db.ts'

/** An answer whose pictures are kept: whose it is, and whether it has ended. */
const DrawnFor = z.object({
  messageId: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  model: z.string(),
  claim: z.string().nullable(),
  isOver: z.boolean(),
})
export type DrawnFor = z.output<typeof DrawnFor>

/** Whosever it is: for the worker that keeps its pictures. Over is also one whose worker has not been heard of. */
export function findAnswerOfSpill(db: Db, messageId: string): Promise<DrawnFor | null> {
  return db.maybeOne(
    DrawnFor,
    `select *, finished_at is not null or coalesce(lease_until < now(), false) as is_over
     from replies where message_id = $1`,
    [messageId],
  )
}

/** The place of a picture in its answer, kept from anybody else until commit. False when something stands there. */
export async function lockPlace(tx: Db, messageId: string, position: number): Promise<boolean> {
  await tx.maybeOne(z.unknown(), `select from chat_messages where id = $1 for no key update`, [messageId])
  const filed = await tx.maybeOne(z.unknown(), `select from chat_attachments where message_id = $1 and position = $2`, [
    messageId,
    position,
  ])
  return filed === null
}

/** Pictures of an answer are safe on a worker that was heard of just now. False when that was known. */
export async function upsertWaiting(
  db: Db,
  messageId: string,
  positions: readonly number[],
  owner: string,
): Promise<boolean> {
  const { news } = await db.one(
    z.object({ news: z.boolean() }),
    `with told as (
       insert into drawn_waiting (message_id, position, spilled_by)
       select $1, position, $3 from unnest($2::int[]) as p (position)
       where exists (select from chat_messages where id = $1) and not exists (
         select from chat_attachments a where a.message_id = $1 and a.position = p.position)
       on conflict (message_id, position) do update set spilled_by = excluded.spilled_by, heard_at = now()
       returning xmax = 0 as is_new)
     select coalesce(bool_or(is_new), false) as news from told`,
    [messageId, positions, owner],
  )
  return news
}

export async function deleteWaiting(tx: Db, messageId: string, position: number): Promise<void> {
  await tx.run(`delete from drawn_waiting where message_id = $1 and position = $2`, [messageId, position])
}

/** All but these answers have nothing in this spill any more. */
export async function deleteUnspilled(db: Db, owner: string, kept: readonly string[]): Promise<void> {
  await db.run(`delete from drawn_waiting where spilled_by = $1 and message_id <> all($2::uuid[])`, [owner, kept])
}

// A worker that waits for the store tries every 15 s.
const silence = `interval '1 minute'`

const Waiting = z.object({ messageId: z.string(), position: z.number(), isSilent: z.boolean() })
export type Waiting = z.output<typeof Waiting>

/** Pictures of answers that are safe and wait; silent is one whose worker is not heard of. */
export function listWaiting(db: Db, messageIds: readonly string[]): Promise<Waiting[]> {
  return db.many(
    Waiting,
    `select message_id, position, heard_at < now() - ${silence} as is_silent
     from drawn_waiting where message_id = any($1)`,
    [messageIds],
  )
}

const Keeper = z.object({
  owner: z.string(),
  pictures: z.number(),
  oldest: z.date(),
  heardAt: z.date(),
  isSilent: z.boolean(),
})

/** The spills that pictures of answers wait in, the one not heard of for longest first. */
export function listDrawnKeepers(db: Db): Promise<z.output<typeof Keeper>[]> {
  return db.many(
    Keeper,
    `select spilled_by as owner, count(*) as pictures, min(m.created_at) as oldest, max(heard_at) as heard_at,
       max(heard_at) < now() - ${silence} as is_silent
     from drawn_waiting w join chat_messages m on m.id = w.message_id group by spilled_by order by 4`,
  )
}

/** The spill will not come back. Answers how many pictures are given up. */
export function releaseDrawn(db: Db, owner: string): Promise<number> {
  return db.run(`delete from drawn_waiting where spilled_by = $1`, [owner])
}
