import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { columns, Picture } from './queries.ts'

const Relative = Picture.extend({ depth: z.number() })
export type Relative = z.output<typeof Relative>

/** What this picture came from, or what came from it: nearest first, at most `limit`, the trash left out. */
export function listRelatives(
  db: Db,
  picture: Picture,
  direction: 'ancestors' | 'descendants',
  limit: number,
): Promise<Relative[]> {
  const next = direction === 'ancestors' ? `p.token = any(line.source_tokens)` : `p.source_tokens @> array[line.token]`
  return db.many(
    Relative,
    // Row by row, so that the limit also ends the search. A picture made again of the same bytes may lead in a circle.
    `with recursive line as (
       select id, token, source_tokens, 0 as depth from pictures where id = $1 and user_id = $2
       union
       select p.id, p.token, p.source_tokens, line.depth + 1
       from line join pictures p on ${next}
       where p.user_id = $2 and p.deleted_at is null and p.id <> $1 and line.depth < 8),
     relatives as materialized (select id, depth from line where depth > 0 limit $3 * 4)
     select ${columns}, r.depth from (select id, min(depth) as depth from relatives group by id) r
     join pictures p on p.id = r.id join files f on f.token = p.token
     order by r.depth, p.created_at desc, p.id desc limit $3`,
    [picture.id, picture.userId, limit],
  )
}
