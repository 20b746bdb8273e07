import { openDatabase } from '../../src/db/db.ts'
import type { Figure } from './main.ts'
import type { Site } from './site.ts'

const PEOPLE = 1000

/** Everybody likes one picture and thinks better of it, all at the same time. */
export async function likeAtOnce(site: Site, exhibit: string): Promise<Figure> {
  const db = openDatabase({ url: site.databaseUrl, max: 20 })
  const countOf = async () => {
    const { rows } = await db.pool.query<{ likes: number; people: number }>(
      `select likes, (select count(*)::int from likes where exhibit_id = $1) as people from exhibits where id = $1`,
      [exhibit],
    )
    return rows[0]!
  }
  const { likes: before, people: fans } = await countOf()
  const start = performance.now()
  await Promise.all(
    Array.from({ length: 2 * PEOPLE }, (_, each) =>
      db.pool.query(
        each % 2 === 0
          ? 'insert into likes (exhibit_id, user_id) values ($1, $2) on conflict do nothing'
          : 'delete from likes where exhibit_id = $1 and user_id = $2',
        [exhibit, 9_000_000 + ((each * 7) % PEOPLE)],
      ),
    ),
  )
  const ms = performance.now() - start
  const { likes, people } = await countOf()
  await db.close()
  return {
    name: `${2 * PEOPLE} likes and unlikes of one picture at once`,
    target: 'the exact count',
    measured: `${likes - before} counted, ${people - fans} there, ${(ms / 1000).toFixed(1)} s`,
    met: likes - before === people - fans,
  }
}
