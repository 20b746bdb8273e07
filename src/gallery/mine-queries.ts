import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Exhibitor = z.object({ name: z.string(), licence: z.string().nullable(), agreedAt: z.date().nullable() })

/** As who they show pictures, and what they agreed to; null for whoever never did. */
export function findExhibitor(db: Db, userId: number): Promise<z.output<typeof Exhibitor> | null> {
  return db.maybeOne(Exhibitor, `select name, licence, agreed_at from exhibitors where user_id = $1`, [userId])
}

const Shown = z.object({
  id: z.string(),
  picture: z.string(),
  isListed: z.boolean(),
  prompt: z.string().nullable(),
  settings: z.unknown(),
  likes: z.number(),
  createdAt: z.date(),
  expiresAt: z.date().nullable(),
  hiddenBecause: z.string().nullable(),
})

/** `picture`: the token of its file. */
export function listExhibitsOf(db: Db, userId: number): Promise<z.output<typeof Shown>[]> {
  return db.many(
    Shown,
    `select id, token as picture, is_listed, prompt, settings, likes, created_at, expires_at, hidden_because
     from exhibits where user_id = $1 order by created_at`,
    [userId],
  )
}

const Liked = z.object({ exhibit: z.string(), month: z.string() })

export function listLiked(db: Db, userId: number): Promise<z.output<typeof Liked>[]> {
  return db.many(
    Liked,
    `select exhibit_id as exhibit, month from likes where user_id = $1 order by month, exhibit_id`,
    [userId],
  )
}

const Blocked = z.object({ name: z.string() })

export function listBlocked(db: Db, userId: number): Promise<z.output<typeof Blocked>[]> {
  return db.many(
    Blocked,
    `select e.name from gallery_blocks b join exhibitors e on e.user_id = b.blocked_id where b.user_id = $1 order by e.name`,
    [userId],
  )
}

const Reported = z.object({ exhibit: z.string(), reason: z.string(), words: z.string(), toldAt: z.date() })

export function listReported(db: Db, userId: number): Promise<z.output<typeof Reported>[]> {
  return db.many(
    Reported,
    `select exhibit_id as exhibit, reason, words, told_at from gallery_reports where user_id = $1 order by told_at`,
    [userId],
  )
}
