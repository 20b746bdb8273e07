import { generate } from './generate.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const RECEIPTS = 100_000
const TIMES = 40

/** A month with a hundred thousand calls of one person: by day, and by what they were for. */
export async function spend(site: Site): Promise<Figure[]> {
  const app = await site.run('web')
  const person = await site.signIn(app, 'spender')
  await generate(site, async client => {
    await client.query(
      `insert into receipts (user_id, kind, subject, key_id, key_name, model, asked, estimate, charged, amount,
         conversation_id, called_at, ended_at, works_until)
       select u.id, case when i % 3 = 0 then 'answer' else 'picture' end, gen_random_uuid(), i % 3, 'Key ' || i % 3,
         case when i % 3 = 0 then 'gpt-5.5' else 'gpt-image-2' end, '{"n": 1}', 0.2, 'yes', (i % 97) / 400.0,
         case when i % 3 = 0 then md5('conversation ' || i % 200)::uuid end,
         date_trunc('month', now()) + (now() - date_trunc('month', now())) * i / $1, now(), now()
       from generate_series(0, $1 - 1) i, (select id from users where email like 'spender%' limit 1) u`,
      [RECEIPTS],
    )
    await client.query('vacuum analyze receipts')
    await client.query('vacuum analyze spend_days')
  })
  const figures: Figure[] = []
  for (const by of ['day', 'key', 'kind', 'conversation']) {
    const times: number[] = []
    for (let each = 0; each < TIMES; each++) {
      const start = performance.now()
      await person.get(`/spend?range=month&by=${by}`)
      times.push(performance.now() - start)
    }
    const ms = median(times)
    figures.push({
      name: `/spend, a month with ${RECEIPTS} receipts, by ${by}, p50`,
      target: '≤ 15 ms',
      measured: `${ms.toFixed(1)} ms`,
      met: ms <= 15,
    })
  }
  await app.stop()
  return figures
}
