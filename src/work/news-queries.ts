import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { leases } from './leases.ts'

export const topics = ['picture-ended', 'answer-ended', 'conversation-changed', 'suggestion-asked'] as const
export type Topic = (typeof topics)[number]

const News = z.object({
  id: z.string(),
  userId: z.number(),
  topic: z.enum(topics),
  subject: z.string(),
  attempts: z.number(),
  claim: z.string(),
})
/** Something that has become true, claimed by the worker that acts on it. */
export type News = z.output<typeof News>

// What follows a picture or an answer may be another answer, or a title; a suggestion is paid for.
const parks = { rows: `topic in ('picture-ended', 'answer-ended', 'suggestion-asked')`, sent: 'false', kind: 'news' }

export const newsLeases = leases({ table: 'news', id: 'id', row: News, lock: 744_001, parks })

/** In the transaction in which it becomes true: acted on at least once, by any worker, when that has committed. */
export async function tell(tx: Db, topic: Topic, { userId, subject }: Pick<News, 'userId' | 'subject'>): Promise<void> {
  await tx.run(
    `with told as (insert into news (user_id, topic, subject) values ($1, $2, $3)) select pg_notify('work', 'news')`,
    [userId, topic, subject],
  )
}

/** It was acted on. */
export async function deleteNews(db: Db, news: News): Promise<void> {
  await db.run(`delete from news where id = $1 and claim = $2`, [news.id, news.claim])
}

/** All that is parked, taken away. */
export function takeParked(tx: Db): Promise<Pick<News, 'topic' | 'subject' | 'userId'>[]> {
  return tx.many(
    News.pick({ topic: true, subject: true, userId: true }),
    `delete from news where parked_at is not null returning topic, subject, user_id`,
  )
}
