import type { Db } from '../db/db.ts'
import type { NewExhibit } from './queries.ts'

/** One that hung elsewhere, with the id that it had there. False where it hangs already. */
export async function insertMovedExhibit(
  tx: Db,
  exhibit: Omit<NewExhibit, 'days' | 'bare'> & { id: string; createdAt: Date },
): Promise<boolean> {
  const inserted = await tx.run(
    `insert into exhibits (id, user_id, picture_id, token, is_listed, prompt, width, height, has_alpha, color, sha256, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing`,
    [
      exhibit.id,
      exhibit.userId,
      exhibit.pictureId,
      exhibit.token,
      exhibit.isListed,
      exhibit.prompt,
      exhibit.width,
      exhibit.height,
      exhibit.hasAlpha,
      exhibit.color,
      exhibit.sha256,
      exhibit.createdAt,
    ],
  )
  return inserted === 1
}

/** In the month in which it was liked. False where it is liked by them already, or does not hang. */
export async function insertMovedLike(
  db: Db,
  exhibitId: string,
  { userId, createdAt }: { userId: number; createdAt: Date },
): Promise<boolean> {
  const inserted = await db.run(
    `insert into likes (exhibit_id, user_id, month)
     select id, $2, date_trunc('month', $3::timestamptz at time zone 'utc') from exhibits where id = $1
     on conflict do nothing`,
    [exhibitId, userId, createdAt],
  )
  return inserted === 1
}
