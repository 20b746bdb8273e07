import { generate } from './generate.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const PEOPLE = 100
const EACH = 10_000
/** Made in one second by one of them. */
const AT_ONCE = 20_000
const TIMES = 25
const RARE = 'ornithopter'

/** A library of a million pictures, of a hundred people; no bytes, only what is known of them. */
export async function library(site: Site): Promise<Figure[]> {
  const app = await site.run('web')
  const person = await site.signIn(app, 'collector')
  const hoarder = await site.signIn(app, 'hoarder')
  await fill(site)

  const figures: Figure[] = []
  const measure = async (name: string, most: number, get: () => Promise<{ text: string }>, mostBytes = Infinity) => {
    const times: number[] = []
    let bytes = 0
    for (let each = 0; each < TIMES; each++) {
      const start = performance.now()
      const { text } = await get()
      times.push(performance.now() - start)
      bytes = Buffer.byteLength(text)
    }
    const ms = median(times)
    figures.push({
      name: `library of ${PEOPLE * EACH}: ${name}, p50`,
      target: `≤ ${most} ms${mostBytes < Infinity ? `, ≤ ${mostBytes / 1000} KB` : ''}`,
      measured: `${ms.toFixed(1)} ms, ${(bytes / 1000).toFixed(0)} KB`,
      met: ms <= most && bytes <= mostBytes,
    })
  }
  const get = (query: string) => () => person.get(`/library${query}`)
  const placeAfter = async (count: number, name: string) => {
    const { rows } = await site.db.pool.query<{ at: Date; id: string }>(
      `select p.created_at as at, p.id from pictures p join users u on u.id = p.user_id
       where u.email like $1 order by p.created_at desc, p.id desc offset $2 limit 1`,
      [`${name}%`, count],
    )
    return `${rows[0]!.at.getTime().toString(36)}.${rows[0]!.id}`
  }
  const deep = await placeAfter(EACH - 100, 'collector')
  const dense = await placeAfter(AT_ONCE / 2, 'hoarder')
  await measure('first page', 12, get(''))
  await measure('the last of its pages, by cursor', 12, () =>
    person.get(`/library?before=${deep}&part=older`, { 'HX-Request': 'true' }),
  )
  await measure('a jump to a month', 15, get('?at=2025-03'), 60_000)
  await measure(`within ${AT_ONCE} of one second`, 12, () =>
    hoarder.get(`/library?before=${dense}&part=older`, { 'HX-Request': 'true' }),
  )
  await measure('search, a rare word', 60, get(`?q=${RARE}`))
  await measure('search, no match', 60, get('?q=zeppelin'))
  await measure('search, a frequent word', 60, get('?q=lighthouse'))
  await measure('search, one Chinese character', 60, get(`?q=${encodeURIComponent('灯')}`))
  await measure('a tag', 15, get('?tag=rare'))
  await measure('a frequent tag', 15, get('?tag=night'))
  await measure('facets', 40, get('/filters'))
  await app.stop()
  return figures
}

async function fill(site: Site): Promise<void> {
  await generate(site, async client => {
    await client.query(
      `insert into users (id, email, name, role) select 9000000 + i, 'crowd' || i, '', 'user' from generate_series(1, $1) i`,
      [PEOPLE - 1],
    )
    await client.query(
      `create temporary table owners as select row_number() over (order by email not like 'collector%', id) - 1 as number, id
       from users where id > 9000000 or email like 'collector%'`,
    )
    await client.query(
      `insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select md5('bench' || i), id, sha256(i::text::bytea), 1500000, 'png', 1024 + 512 * (i % 2), 1024, false, '#778899'
       from generate_series(0, $1 - 1) i join owners on number = i % $2`,
      [PEOPLE * EACH, PEOPLE],
    )
    await client.query(
      `insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes, created_at, tags, cost)
       select f.user_id, f.token, 'gpt-image-2',
         'a ' || case when i % 3 = 0 then 'lighthouse' else 'harbour' end || ' in the rain, long exposure, number ' || i
           || case when (i / $2) % 2000 = 7 then ' with an ${RARE}' else '' end || case when i % 5 = 0 then '，灯塔与雨夜' else '' end,
         '1024x1024', 'high', f.width, f.height, f.bytes, timestamptz '2026-11-20' - (i / $2) * interval '90 minutes',
         case when (i / $2) % 500 = 3 then array['rare'] when i % 4 = 0 then array['night'] else array[]::text[] end, 0.04
       from generate_series(0, $1 - 1) i join files f on f.token = md5('bench' || i)`,
      [PEOPLE * EACH, PEOPLE],
    )
    await client.query(
      `with hoard as (
         insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
         select md5('hoard' || i), id, sha256(('h' || i)::bytea), 1500000, 'png', 1024, 1024, false, '#778899'
         from generate_series(1, $1) i, (select id from users where email like 'hoarder%') u returning token, user_id)
       insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes, created_at)
       select user_id, token, 'gpt-image-2', 'one of many', '1024x1024', 'high', 1024, 1024, 1500000, '2026-10-01' from hoard`,
      [AT_ONCE],
    )
    await client.query(
      `insert into tags (user_id, key, name) select id, tag, tag from owners, unnest(array['rare', 'night']) as tag`,
    )
    await client.query('vacuum analyze pictures')
    await client.query('vacuum analyze files')
  })
}
