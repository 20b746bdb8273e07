import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { jobLeases } from './claim-queries.ts'
import { upsertWorker } from './readiness-queries.ts'

// Pages only: what is asked for waits.
const app = await testApp({ role: 'web' })
const { db } = app

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

/** Everybody's line, by these names of jobs. */
async function line(names: Record<string, string>): Promise<string> {
  const rows = await jobLeases.listLine(db, 99)
  const byId = new Map(Object.entries(names).map(([name, id]) => [id, name]))
  return rows.flatMap(({ id }) => byId.get(id) ?? []).join(' ')
}

async function askFor(person: Person, ...prompts: string[]): Promise<Record<string, string>> {
  const names: Record<string, string> = {}
  for (const prompt of prompts) names[prompt] = await ask(person, prompt)
  return names
}

test("what waits is moved among one's own, and nobody else waits longer or shorter for it", async () => {
  const [person, other] = [await alice(app), await charlie(app)]
  const hers = await askFor(person, 'a', 'b')
  const his = await askFor(other, 'x', 'y', 'z')
  const names = { ...hers, ...(await askFor(person, 'c')), ...his }
  const move = (name: keyof typeof names, to: string) => person.post(`/images/${names[name]}/place`, { to })
  assert.equal(await line(names), 'a x b y z c')
  assert.equal((await move('c', 'first')).location, `/images#job-${names.c}`)
  assert.equal(await line(names), 'c x a y z b', 'where hers stand stays')
  await move('c', 'later')
  await move('b', 'sooner')
  assert.equal(await line(names), 'a x b y z c')
  await move('a', 'sooner')
  await move('c', 'later')
  assert.equal(await line(names), 'a x b y z c', 'there is nothing before the first and behind the last')
  await move('c', 'first')
  const later = { ...names, ...(await askFor(person, 'd')) }
  assert.equal(await line(later), 'c x a y z b d', 'what is asked for later comes last')
  assert.equal((await move('c', 'top')).status, 400)

  for (const to of ['first', 'sooner', 'later']) {
    assert.equal((await other.post(`/images/${names.a}/place`, { to })).status, 404)
  }
  const shown = await person.post(`/images/${names.b}/place`, { to: 'first' }, { htmx: true })
  assert.match(shown.html.querySelector(`#wait-${names.b}`)!.text, /No\. 1 in queue/)
  assert.match(shown.html.querySelector(`#wait-${names.c}`)!.text, /No\. 3 in queue/)

  const worker = await app.another({ role: 'worker' })
  for (const id of Object.values(later)) await jobEnd(db, id)
  await worker.running.stop()
  assert.equal((await person.post(`/images/${names.a}/place`, { to: 'first' })).status, 303, 'too late, and no mistake')
})

test('the first in the queue is said to be starting while nothing is made for anybody', async () => {
  const [person, other] = [await alice(app), await charlie(app)]
  const [mine, his] = [await ask(person, 'mine'), await ask(other, 'his')]
  const state = async () => (await person.get('/images')).html.querySelector(`#wait-${mine} .wait-state`)!.text.trim()
  await upsertWorker(db, randomUUID(), null)
  await until('nothing stands in its way', async () => (await state()).startsWith('Starting'))
  await db.run(
    `update image_jobs set state = 'running', claim = gen_random_uuid(), lease_until = now() + interval '1 hour' where id = $1`,
    [his],
  )
  await until('his is made', async () => (await state()).startsWith('No. 1 in queue'))
  await db.run(`delete from image_jobs where id = any($1)`, [[mine, his]])
})

test('in a browser: a picture that waits is made the next one by keyboard', { skip: noChromium }, async () => {
  const person = await alice(app)
  await askFor(person, 'one', 'two')
  const last = await ask(person, 'three')
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.focus(`#wait-${last} .line-open`)
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.waitForSelector(`#wait-${last} >> text=/No. 1 in queue|Starting/`)
  await until('the line', async () => (await jobLeases.listLine(db, 1))[0]?.id === last)
  assert.deepEqual(complaints, [])
})
