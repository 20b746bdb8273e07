import assert from 'node:assert/strict'
import { once } from 'node:events'
import { before, test } from 'node:test'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import type { Config } from '../config.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { isTitleCall, replyIn, say, talk } from '../testing/conversations.ts'
import { ask, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, type Person, rich } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

// Its pages are asked of this process; the work is done by others, which are killed. A dead worker is noticed soon.
const worker = { tickSeconds: 0.1, leaseSeconds: 2, sweepSeconds: 0.2, persistSeconds: 10 }
let app: TestApp
before(async () => {
  app = await testApp({ role: 'web', worker })
})

async function startApp(changes: Partial<Config> = {}) {
  const config = { ...app.config, role: 'all', ...changes }
  const { url, child } = await startProcess(app, { TEST_CONFIG: JSON.stringify(config) }, 'process-main.ts')
  const exited = once(child, 'exit')
  return {
    url,
    async kill() {
      child.kill('SIGKILL')
      await exited
      app.mock.control.release()
    },
  }
}

test('a day of all kinds of work, killed twice: what the pages, the spreadsheet and the JSON say is the gateway’s ledger', {
  skip: noChromium,
}, async () => {
  const person = await rich(app, await alice(app))
  await person.post('/account/time-zone', { time_zone: 'UTC' })

  const morning = await startApp()
  await jobIn(app.db, await ask(person, 'streamed', { n: '2' }), 'done')
  app.mock.control.fault({ match: { prompt: 'not allowed' }, reply: 'moderation' })
  const failed = await ask(person, 'not allowed')
  assert.equal((await jobEnd(app.db, failed)).charged, 'no')
  app.mock.control.fault({ match: { prompt: 'lost in the morning' }, hold: 'after_partial' })
  const lost = await ask(person, 'lost in the morning')
  await app.mock.control.waitForCalls(1, { prompt: 'lost in the morning', state: 'held' })
  // A call that never heard its request id may be any of several bills: that it is shown as such is told elsewhere.
  await until('its request id', async () => (await jobRow(app.db, lost)).requestId)
  await morning.kill()
  const waited = await ask(person, 'asked while nobody was there')

  const noon = await startApp({ partialImages: 0 })
  const [, second] = app.mock.control.keysOf(person.email)
  await person.post('/account/key', { key_id: String(second!.id) })
  const edit = await ask(person, 'another sky', { reference: await upload(person), size: '1536x1024' })
  const batch = await person.post('/images/batch', { prompts: 'a fox\na hare\nan owl', step: 'start' })
  assert.match(batch.location, /^\/images\/batches\//)
  const task = await askByScript(person, 'by a script')
  app.mock.control.fault({ match: { prompt: 'nothing to see' }, picture: 'not_an_image' })
  const charged = await ask(person, 'nothing to see')
  for (const id of [lost, waited, edit, task, charged]) await jobEnd(app.db, id)
  await until('the batch', () => doneOf(['a fox', 'a hare', 'an owl']))
  await talk(app.db, person, 'How do foxes sleep?')
  await until('its title', async () => app.mock.control.calls().some(call => isTitleCall(call) && call.endedAt))
  app.mock.control.fault({ match: { prompt: 'tell me a long tale' }, hold: 'mid_picture' })
  const tale = await say(person, 'tell me a long tale')
  await app.mock.control.waitForCalls(1, { prompt: 'tell me a long tale', state: 'held' })
  await until('its request id, too', () => isHeard(tale))
  await noon.kill()

  const evening = await startApp()
  await replyIn(app.db, tale, 'unknown', 'failed', 'done')
  await jobIn(app.db, await ask(person, 'streamed again', { size: '2048x2048' }), 'done')
  assert.deepEqual(await differences(app, [person.email]), [])
  await seeLedger(evening.url, person)
})

async function seeLedger(url: string, person: Person): Promise<void> {
  const bills = billsOf(person)
  const total = sumOf(bills)
  const models = new Set(bills.map(({ model }) => model))
  assert.ok(bills.length >= 10 && models.size > 1 && new Set(bills.map(({ key }) => key)).size > 1)
  const browser = await startChromium()
  try {
    const { page, complaints } = await openPage(browser, url, person)
    for (const by of ['day', 'key', 'model', 'kind'] as const) {
      await page.goto(`/spend?range=week&by=${by}`)
      const groups = Map.groupBy(bills, bill => bill[by])
      const rows = Object.fromEntries(await rowsOn(page))
      assert.deepEqual(Object.keys(rows).toSorted(), [...groups.keys()].toSorted(), by)
      for (const [name, of] of groups) assert.ok(isSame(rows[name]!, sumOf(of)), `${by} ${name}: ${rows[name]}`)
      const shown = await page.locator('.spend-table tfoot td').first().textContent()
      assert.ok(isSame(usd(shown!), total), `${by}: ${shown} of ${total}`)
    }
    assert.deepEqual(complaints, [])
  } finally {
    await browser.close()
  }
  const { text: json } = await person.get('/spend/receipts.json?range=week')
  const receipts = JSON.parse(json) as { request_id: string | null; amount_usd: string | null }[]
  const { text: csv } = await person.get('/spend/receipts.csv?range=week')
  const [head, ...lines] = csv.replace('\uFEFF', '').trim().split('\r\n')
  const names = head!.split(',')
  const [id, amount] = [names.indexOf('request_id'), names.indexOf('amount_usd')]
  assert.equal(lines.length, receipts.length)
  const inJson = receipts.map(each => [each.request_id, Number(each.amount_usd ?? 0)] as const)
  const inCsv = lines.map(line => line.split(',')).map(cells => [cells[id]!, Number(cells[amount])] as const)
  // Of each call by itself, so that what differs is named.
  const ledger = bills.map(bill => [bill.requestId, bill.usd] as const)
  for (const told of [inJson, inCsv]) assert.deepEqual(paidOf(told), paidOf(ledger))
}

type Paid = readonly [requestId: string | null, usd: number]

const paidOf = (each: readonly Paid[]) => each.filter(([, usd]) => usd > 0).toSorted(([a], [b]) => (a! < b! ? -1 : 1))

/** What the gateway billed, and as what it is told here. */
function billsOf(person: Person) {
  const { id: userId } = app.mock.control.user(person.email)
  return app.mock.state.usage
    .filter(row => row.user_id === userId)
    .map(row => {
      const call = app.mock.control.calls().find(({ requestId }) => row.request_id === `client:${requestId}`)!
      const isPicture = call.path.startsWith('/v1/images')
      return {
        requestId: call.requestId,
        usd: row.actual_cost,
        day: call.receivedAt.slice(0, 10),
        key: app.mock.state.keys.get(row.api_key_id)!.name,
        model: row.model,
        kind: isPicture ? 'Pictures' : isTitleCall(call) ? 'Titles' : 'Answers',
      }
    })
}

const sumOf = (bills: readonly { usd: number }[]) => bills.reduce((sum, bill) => sum + bill.usd, 0)
const usd = (text: string) => Number(text.replace(/[^\d.]/g, ''))
const isSame = (shown: number, exact: number) => Math.abs(shown - exact) < 0.005

function rowsOn(page: Page): Promise<[string, number][]> {
  return page
    .locator('.spend-table tbody tr')
    .evaluateAll(rows =>
      rows.map((row): [string, number] => [
        row.querySelector('th')!.textContent.trim(),
        Number(row.querySelector('td')!.textContent.replace(/[^\d.]/g, '')),
      ]),
    )
}

async function isHeard(conversation: string): Promise<boolean> {
  const sql = 'select from replies where conversation_id = $1 and request_id is not null'
  return (await app.db.pool.query(sql, [conversation])).rows.length > 0
}

async function doneOf(prompts: readonly string[]): Promise<boolean> {
  const sql = `select from image_jobs where prompt = any($1) and state = 'done'`
  return (await app.db.pool.query(sql, [prompts])).rows.length === prompts.length
}

async function upload(person: Person): Promise<string> {
  const picture = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const answer = await person.upload('/images/references', [['sky.png', picture]], {}, { htmx: true })
  return answer.html.querySelector('[name="reference"]')!.getAttribute('value')!
}

async function askByScript(person: Person, prompt: string): Promise<string> {
  const token = await tokenOf(app, await boundKey(app, person))
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ prompt }),
  })
  return ((await answer.json()) as { data: { task_id: string } }).data.task_id
}
