import { randomUUID } from 'node:crypto'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const WAITING = 20_000
const PEOPLE = 400
const POLL_MS = 5
const CROWD = 200
const BESIDE_MS = 250

/** What a page asks every second while twenty thousand pictures of four hundred people wait. */
export async function queue(site: Site): Promise<Figure[]> {
  const web = await site.run('web')
  const person = await site.signIn(web, 'patient')
  await person.post('/images', { prompt: 'Last in line', submission: randomUUID() })
  await fillQueue(site)
  const { text } = await person.get('/images')
  const address = /hx-get="(\/images\/tiles\?[^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? ''
  const times: number[] = []
  for (const end = performance.now() + 6_000; performance.now() < end; ) {
    times.push((await person.get(address, { 'HX-Request': 'true' })).ms)
  }
  await web.stop()
  await emptyQueue(site)
  const sorted = times.toSorted((a, b) => a - b)
  const ms = median(times)
  return [
    {
      name: `poll while ${WAITING.toLocaleString('en')} pictures wait, median`,
      target: `≤ ${POLL_MS} ms`,
      measured: `${ms.toFixed(2)} ms (99 %: ${sorted[Math.floor(sorted.length * 0.99)]!.toFixed(1)}; line: ${sorted.at(-1)!.toFixed(0)})`,
      met: ms <= POLL_MS,
    },
  ]
}

/** How long somebody's create takes while one person sends two hundred at once. */
export async function crowd(site: Site): Promise<Figure[]> {
  const web = await site.run('web')
  const [many, one] = [await site.signIn(web, 'crowd'), await site.signIn(web, 'alone')]
  const sent = Array.from({ length: CROWD }, async (_, each) => {
    const answer = await fetch(`${web.url}/images`, {
      method: 'POST',
      headers: { Cookie: many.cookies(), 'Sec-Fetch-Site': 'same-origin', 'HX-Request': 'true' },
      body: new URLSearchParams({ prompt: `All at once ${each}`, submission: randomUUID() }),
      redirect: 'manual',
    })
    await answer.arrayBuffer()
    return answer.status
  })
  const times: number[] = []
  let isOver = false
  const statuses = Promise.all(sent).finally(() => {
    isOver = true
  })
  while (!isOver || times.length < 3) {
    const { status, ms } = await one.post('/images', {
      prompt: `Beside them ${times.length}`,
      submission: randomUUID(),
    })
    if (status !== 303) throw new Error(`create answered ${status}`)
    times.push(ms)
  }
  const later = (await statuses).filter(status => status === 503).length
  await web.stop()
  await emptyQueue(site)
  const longest = Math.max(...times)
  return [
    {
      name: `create while another sends ${CROWD} at once, longest`,
      target: `≤ ${BESIDE_MS} ms`,
      measured: `${longest.toFixed(0)} ms (${later} of ${CROWD} told to come again)`,
      met: longest <= BESIDE_MS,
    },
  ]
}

/** As they stand in the table when nobody makes them. */
async function fillQueue(site: Site): Promise<void> {
  await site.db.run(
    `insert into users (id, email, name, role) select 900000 + n, 'waiting' || n, '', 'user' from generate_series(1, $1::int) n`,
    [PEOPLE],
  )
  await site.db.run(
    `insert into image_jobs (id, user_id, submission, model, prompt, size, quality, n, format, background, moderation, key_id,
       key_secret, caller_address, caller_user_agent, created_at)
     select gen_random_uuid(), 900000 + 1 + n % $2::int, gen_random_uuid(), 'gpt-image-2', 'Waits', '1024x1024', 'low', 1, 'png',
       'auto', 'auto', 1 + n % $2::int, '\\x00', '127.0.0.1', 'bench', now() - make_interval(secs => n)
     from generate_series(1, $1::int) n`,
    [WAITING, PEOPLE],
  )
  await site.db.run('analyze image_jobs')
}

async function emptyQueue(site: Site): Promise<void> {
  await site.db.run('delete from image_jobs')
  await site.db.run('delete from users where id > 900000')
}
