import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** What of a call for pictures says how long it takes. */
const Work = z.object({
  keyId: z.number().nullable(),
  model: z.string(),
  size: z.string(),
  quality: z.string(),
  n: z.number(),
  isEdit: z.boolean(),
})
export type Work = z.output<typeof Work>

const Pace = Work.extend({ seconds: z.number() })
/** And how long it took. */
export type Pace = z.output<typeof Pace>

// Of each model: the last weeks of most people, and for others as much as matters today.
const LATELY = 300

/** Of calls that came to their end, the newest of each model first. */
export function listPaces(db: Db, userId: number, models: readonly string[]): Promise<Pace[]> {
  return db.many(
    Pace,
    `select paces.* from unnest($2::text[]) as named (model) cross join lateral (
       select key_id, model, coalesce(asked ->> 'size', '') as size, coalesce(asked ->> 'quality', '') as quality,
         coalesce((asked ->> 'n')::int, 1) as n, coalesce((asked ->> 'references')::int, 0) > 0 as is_edit,
         extract(epoch from ended_at - called_at)::float8 as seconds
       from receipts where user_id = $1 and receipts.model = named.model and kind = 'picture' and charged = 'yes'
         and reason is null and ended_at is not null
       order by called_at desc limit ${LATELY}) paces`,
    [userId, models],
  )
}
