import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Person = z.object({ id: z.number(), email: z.string(), name: z.string(), role: z.string(), createdAt: z.date() })

export function findPerson(db: Db, userId: number): Promise<z.output<typeof Person>> {
  return db.one(Person, `select id, email, name, role, created_at from users where id = $1`, [userId])
}

const Visit = z.object({ address: z.string(), userAgent: z.string(), createdAt: z.date(), lastSeenAt: z.date() })

/** Browsers that are signed in, without what they are known by. */
export function listVisits(db: Db, userId: number): Promise<z.output<typeof Visit>[]> {
  return db.many(
    Visit,
    `select address, user_agent, created_at, last_seen_at from sign_ins where user_id = $1 order by created_at`,
    [userId],
  )
}
