import { generate } from './generate.ts'
import { likeAtOnce } from './likes.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const AUTHORS = 1000
const EXHIBITS = 1_000_000
/** Shared in one second by one of them. */
const AT_ONCE = 20_000
const TIMES = 25
const RARE = 'ornithopter'

/** A gallery of a million pictures of a thousand people, liked some two million times; no bytes, only what is known of them. */
export async function gallery(site: Site): Promise<Figure[]> {
  const app = await site.run('web')
  const viewer = await site.signIn(app, 'viewer')
  await fill(site)

  const figures: Figure[] = []
  const measure = async (name: string, most: number, path: string, headers?: Record<string, string>) => {
    const times: number[] = []
    let bytes = 0
    for (let each = 0; each < TIMES; each++) {
      const start = performance.now()
      const { text } = await viewer.get(path, headers)
      times.push(performance.now() - start)
      bytes = Buffer.byteLength(text)
    }
    const ms = median(times)
    figures.push({
      name: `gallery of ${EXHIBITS}: ${name}, p50`,
      target: `≤ ${most} ms`,
      measured: `${ms.toFixed(1)} ms, ${(bytes / 1000).toFixed(0)} KB`,
      met: ms <= most,
    })
  }
  const placeAt = async (key: string, order: string, offset: number) => {
    const { rows } = await site.db.pool.query<{ at: Date | number; id: string }>(
      `select ${key} as at, id from exhibits order by ${order}, id desc offset $1 limit 1`,
      [offset],
    )
    return `${Number(rows[0]!.at).toString(36)}.${rows[0]!.id}`
  }
  const older = { 'HX-Request': 'true' }
  const deep = await placeAt('created_at', 'created_at desc', 48_000)
  const liked = await placeAt('likes', 'likes desc', 48_000)
  const dense = await placeAt('created_at', `created_at <> '2026-10-01', created_at desc`, AT_ONCE / 2)
  await measure('first page', 12, '/gallery')
  await measure('page 1,000, by cursor', 12, `/gallery?before=${deep}`, older)
  await measure(`within ${AT_ONCE} of one second`, 12, `/gallery?before=${dense}`, older)
  await measure('most liked', 12, '/gallery?sort=liked')
  await measure('page 1,000 of the most liked', 12, `/gallery?sort=liked&before=${liked}`, older)
  await measure('most liked this month', 12, '/gallery?sort=month')
  await measure('search, a rare word', 60, `/gallery?q=${RARE}`)
  await measure('search, no match', 60, '/gallery?q=zeppelin')
  await measure('search, a frequent word', 60, '/gallery?q=lighthouse')
  await measure('search, a frequent word, most liked', 60, '/gallery?q=lighthouse&sort=liked')
  await measure('search, one Chinese character', 60, `/gallery?q=${encodeURIComponent('灯')}`)
  await measure('search, an author', 60, '/gallery?q=author77')
  const { rows } = await site.db.pool.query<{ id: string }>(`select id from exhibitors where name = 'author77'`)
  await measure('of one author', 12, `/gallery?by=${rows[0]!.id}`)
  await measure('feed', 12, '/gallery/feed.atom')
  await measure('one picture', 12, `/gallery/${dense.split('.')[1]}`)
  figures.push(await likeAtOnce(site, dense.split('.')[1]!))
  await app.stop()
  return figures
}

async function fill(site: Site): Promise<void> {
  await generate(site, async client => {
    await client.query(
      `insert into users (id, email, name, role) select 9000000 + i, 'author' || i, '', 'user' from generate_series(0, $1 - 1) i`,
      [AUTHORS],
    )
    await client.query(
      `insert into exhibitors (user_id, name) select 9000000 + i, 'author' || i from generate_series(0, $1 - 1) i`,
      [AUTHORS],
    )
    await client.query(
      `insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select 'author' || i, 9000000 + i, sha256(i::text::bytea), 1500000, 'png', 1024 + 512 * (i % 2), 1024, false, '#778899'
       from generate_series(0, $1 - 1) i`,
      [AUTHORS],
    )
    // One picture each stands for all that its author shows: the gallery looks at exhibits only.
    await client.query(
      `insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
       select user_id, token, 'm', '', '', '', width, height, bytes from files where token like 'author%'`,
    )
    await client.query('drop index exhibits_once')
    await client.query(
      `insert into exhibits (user_id, picture_id, token, sha256, is_listed, prompt, settings, width, height, has_alpha, color, likes,
         created_at)
       select p.user_id, p.id, p.token, sha256(i::text::bytea), true,
         'a ' || case when i % 3 = 0 then 'lighthouse' else 'harbour' end || ' in the rain, long exposure, number ' || i
           || case when i % 20000 = 7 then ' with an ${RARE}' else '' end || case when i % 5 = 0 then '，灯塔与雨夜' else '' end,
         '{"model":"gpt-image-2","size":"1024x1024","quality":"high"}', p.width, p.height, false, '#778899',
         case when i % 50 = 0 then (i / 50) % 200 else 0 end,
         case when i <= $2 then timestamptz '2026-10-01' else now() - i * interval '45 seconds' end
       from generate_series(1, $1) i join pictures p on p.token = 'author' || i % ${AUTHORS}`,
      [EXHIBITS, AT_ONCE],
    )
    // The pictures that are liked, by the first so many people; counted above, as the trigger would have.
    await client.query('alter table likes disable trigger likes_counted')
    await client.query(
      `insert into likes (exhibit_id, user_id) select e.id, 9000000 + n from exhibits e, generate_series(0, e.likes - 1) n where e.likes > 0`,
    )
    await client.query(
      `insert into likes_of_month (month, exhibit_id, likes)
       select date_trunc('month', now() at time zone 'utc'), id, likes from exhibits where likes > 0`,
    )
    await client.query('alter table likes enable trigger likes_counted')
    for (const table of ['exhibits', 'likes', 'likes_of_month', 'exhibitors']) {
      await client.query(`vacuum analyze ${table}`)
    }
  })
}
