import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { z } from 'zod'
import { talk } from '../testing/conversations.ts'
import { ask, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

interface Fed {
  at: string
  usd?: string | null
  estimate?: string | null
  charged?: 'yes' | 'no' | 'unknown'
  keyId?: number
  keyName?: string
  model?: string
  kind?: string
}

const idOf = ({ email }: Person) => app.mock.control.user(email).id

/** A receipt as it is after all has been said of the call. */
async function feed(person: Person, calls: readonly Fed[]): Promise<void> {
  for (const {
    at,
    usd = '0.1',
    estimate = null,
    charged = 'yes',
    keyId = 1,
    keyName = 'Work',
    model = 'gpt-image-2',
    kind = 'picture',
  } of calls)
    await app.db.run(
      `insert into receipts (user_id, kind, subject, key_id, key_name, model, asked, estimate, charged, amount, called_at,
         ended_at, works_until)
       values ($1, $2, gen_random_uuid(), $3, $4, $5, '{"n": 1}', $6, $7, $8, $9, $9, $9)`,
      [idOf(person), kind, keyId, keyName, model, estimate, charged, usd, at],
    )
}

const setZone = (person: Person, zone: string) => person.post('/account/time-zone', { time_zone: zone })

/** The rows of the table: what they are of, and what was charged. */
async function rowsOn(person: Person, query: string): Promise<[string, string][]> {
  const { html } = await person.get(`/spend?${query}`)
  return html
    .querySelectorAll('.spend-table tbody tr')
    .map(row => [row.querySelector('th')!.text.trim(), row.querySelector('td')!.text.trim()])
}
const totalOn = async (person: Person, query: string) =>
  (await person.get(`/spend?${query}`)).html.querySelector('.figure')?.text.trim() ?? null

test('days begin and end at midnight of the person’s own zone, also where clocks are changed that day', async () => {
  const person = await alice(app)
  const zones: [zone: string, day: string, inside: string[], outside: string[]][] = [
    [
      'Asia/Tokyo',
      '2026-03-10',
      ['2026-03-09T15:00:00Z', '2026-03-10T14:59:59.999Z'],
      ['2026-03-09T14:59:59Z', '2026-03-10T15:00:00Z'],
    ],
    [
      'Asia/Kathmandu',
      '2026-04-10',
      ['2026-04-09T18:15:00Z', '2026-04-10T18:14:59Z'],
      ['2026-04-09T18:14:59Z', '2026-04-10T18:15:00Z'],
    ],
    // Its clocks go forward: 23 hours, then back: 25.
    [
      'America/Los_Angeles',
      '2026-03-08',
      ['2026-03-08T08:00:00Z', '2026-03-09T06:59:59Z'],
      ['2026-03-08T07:59:59Z', '2026-03-09T07:00:00Z'],
    ],
    [
      'America/Los_Angeles',
      '2026-11-01',
      ['2026-11-01T07:00:00Z', '2026-11-02T07:59:59Z'],
      ['2026-11-01T06:59:59Z', '2026-11-02T08:00:00Z'],
    ],
  ]
  for (const [, , inside, outside] of zones)
    await feed(
      person,
      [...inside, ...outside].map(at => ({ at })),
    )
  for (const [zone, day] of zones) {
    await setZone(person, zone)
    assert.equal(await totalOn(person, `range=days&from=${day}&until=${day}`), '$0.20', `${zone} ${day}`)
    const { text } = await person.get(`/spend/receipts.json?range=days&from=${day}&until=${day}`)
    assert.equal((JSON.parse(text) as unknown[]).length, 2, `${zone} ${day}`)
  }
})

test('today, the week and the month end with today, and other days are those that are named', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString()
  await feed(person, [
    { at: daysAgo(0) },
    { at: daysAgo(6), usd: '0.2' },
    { at: daysAgo(7), usd: '0.4' },
    { at: daysAgo(62), usd: '0.8' },
  ])
  const today = daysAgo(0).slice(0, 10)
  assert.equal(await totalOn(person, 'range=today'), '$0.10')
  assert.equal(await totalOn(person, 'range=week'), '$0.30')
  const inMonth = [0, 6, 7].filter(days => daysAgo(days).slice(0, 7) === today.slice(0, 7))
  const month = inMonth.reduce((sum, days) => sum + ({ 0: 0.1, 6: 0.2, 7: 0.4 }[days] ?? 0), 0)
  assert.equal(await totalOn(person, 'range=month'), `$${month.toFixed(2)}`)
  assert.equal(await totalOn(person, `range=days&from=${daysAgo(62).slice(0, 10)}&until=${today}`), '$1.50')
  for (const odd of [
    'range=days',
    'range=days&from=2026-02-31',
    'range=nonsense',
    'by=colour',
    'range=days&from=0001-01-01&until=9999-12-31',
  ])
    assert.equal((await person.get(`/spend?${odd}`)).status, 200, odd)
  assert.equal((await person.get('/spend/today', { htmx: true })).html.querySelector('a')!.text, 'today $0.10')
})

test('sums are by day, key, model, kind, who asked and conversation, and exact', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const at = '2026-05-05T10:00:00Z'
  // A tenth cannot be added up in floats.
  await feed(
    person,
    Array.from({ length: 10 }, () => ({ at, usd: '0.0000000001' })),
  )
  await feed(person, [
    { at, usd: '0.1', keyId: 2, keyName: 'Home' },
    { at, usd: '0.2', keyId: 2, keyName: 'Home', model: 'gpt-5.5', kind: 'answer' },
    { at: '2026-05-06T10:00:00Z', usd: '0.7', keyId: 2, keyName: 'Home' },
  ])
  const days = 'range=days&from=2026-05-01&until=2026-05-31'
  assert.deepEqual(await rowsOn(person, `${days}&by=day`), [
    ['2026-05-05', '$0.30'],
    ['2026-05-06', '$0.70'],
  ])
  assert.deepEqual(await rowsOn(person, `${days}&by=key`), [
    ['Home', '$1.00'],
    ['Work', '$0.00'],
  ])
  assert.deepEqual(await rowsOn(person, `${days}&by=model`), [
    ['gpt-image-2', '$0.80'],
    ['gpt-5.5', '$0.20'],
  ])
  assert.deepEqual(await rowsOn(person, `${days}&by=kind`), [
    ['Pictures', '$0.80'],
    ['Answers', '$0.20'],
  ])
  assert.deepEqual(await rowsOn(person, `${days}&by=who`), [['Me', '$1.00']])
  assert.deepEqual(await rowsOn(person, `${days}&by=conversation`), [['In no conversation', '$1.00']])
  const sum = z.object({ usd: z.string() })
  const kept = await app.db.one(sum, `select sum(usd)::text as usd from spend_days where user_id = $1`, [idOf(person)])
  assert.equal(kept.usd, '1.0000000010')
})

test('of more than fifty the dearest stand for themselves, and the others in one line; days all do', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const dayOf = (i: number) => new Date(Date.UTC(2026, 0, 1 + i)).toISOString()
  await feed(
    person,
    Array.from({ length: 53 }, (_, i) => ({ at: dayOf(i), model: `model-${i}`, usd: `${(i + 1) / 100}` })),
  )
  const days = 'range=days&from=2026-01-01&until=2026-03-31'
  const rows = await rowsOn(person, `${days}&by=model`)
  assert.deepEqual([rows.length, rows[0], rows.at(-1)], [51, ['model-52', '$0.53'], ['3 others', '$0.06']])
  assert.equal((await rowsOn(person, `${days}&by=day`)).length, 53)
  assert.equal(await totalOn(person, days), '$14.31')
})

test('what is not settled, and what nobody knows, stand apart and are never nothing', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const at = '2026-05-05T10:00:00Z'
  await feed(person, [
    { at, usd: '0.5', estimate: '0.4' },
    { at, usd: null, estimate: '0.3' },
    { at, usd: null, estimate: '0.2', charged: 'unknown' },
    { at, usd: null, estimate: '0.1', charged: 'no' },
  ])
  const { html } = await person.get('/spend?range=days&from=2026-05-05')
  const told = html.querySelectorAll('.spend-sums dd').map(each => each.text.trim().replace(/\s+/g, ' '))
  assert.deepEqual(told, ['$0.50', '≈ $0.40 charged for these $0.50', '1 up to $0.30', '1 up to $0.20'])
})

test('a call moves from under way to its amount, and the sums of every kind of work are those of the gateway’s ledger', async () => {
  const person = await alice(app)
  await setZone(person, 'Asia/Kathmandu')
  const id = await ask(person, 'counted', { n: '2' })
  await ask(person, 'lost #fail-cut')
  await talk(app.db, person, 'a word, counted')
  await until('the bill', async () => (await jobRow(app.db, id)).cost)
  assert.deepEqual(await differences(app, [person.email]), [])
  const billed = app.mock.state.usage
    .filter(row => row.user_id === idOf(person))
    .reduce((sum, row) => sum + row.actual_cost, 0)
  const sum = z.object({ usd: z.coerce.number(), open: z.number() })
  const kept = await app.db.one(
    sum,
    `select sum(usd) as usd, sum(unsettled + unknown)::int as open from spend_days where user_id = $1`,
    [idOf(person)],
  )
  assert.deepEqual([Number(kept.usd.toFixed(10)), kept.open], [Number(billed.toFixed(10)), 0])
  await setZone(person, 'Pacific/Auckland')
  const again = await app.db.one(
    sum,
    `select sum(usd) as usd, sum(unsettled + unknown)::int as open from spend_days where user_id = $1`,
    [idOf(person)],
  )
  assert.deepEqual(again, kept, 'counted anew by other days')
})

test('the spreadsheet is UTF-8, and no name in it is a formula', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const at = '2026-05-05T10:00:00Z'
  await feed(
    person,
    ['=HYPERLINK("http://x")', '+1', '-1', '@a', '\t=1', '工作, "键"'].map(keyName => ({ at, keyName })),
  )
  const { body, headers } = await person.get('/spend/receipts.csv?range=days&from=2026-05-05')
  assert.deepEqual([...body.subarray(0, 3)], [0xef, 0xbb, 0xbf])
  assert.match(headers['content-type']!, /csv/)
  const text = body.toString('utf8')
  for (const cell of [`"'=HYPERLINK(""http://x"")"`, `"'+1"`, `"'-1"`, `"'@a"`, `"'\t=1"`, `"工作, ""键"""`])
    assert.ok(text.includes(`,${cell},`), `${cell} in ${text}`)
  assert.equal(text.split('\r\n').length, 8)
})

test('what the gateway billed to her keys and nothing here explains is shown apart', async () => {
  const person = await alice(app)
  await setZone(person, 'UTC')
  const id = await ask(person, 'hers')
  await until('the bill', async () => (await jobRow(app.db, id)).cost)
  const [key] = app.mock.control.keysOf(person.email)
  const row = { user_id: idOf(person), api_key_id: key!.id, group_id: null, model: 'gpt-image-2', image_count: 1 }
  const bill = { total_cost: 1.25, actual_cost: 1.25, created_at: new Date().toISOString() }
  app.mock.state.usage.push({ id: 990_001, request_id: 'client:another program', ...row, ...bill })
  assert.equal((await person.get('/spend')).html.querySelector('.elsewhere .list'), null)
  const page = await person.get('/spend?range=today&elsewhere=yes')
  assert.match(page.html.querySelector('.elsewhere .list')!.text, /\$1\.25 in 1 call/)
  assert.equal(page.html.querySelector('.figure')!.text.trim(), '$0.134')
  app.mock.control.fault({
    match: { path: '/api/v1/usage', email: person.email },
    reply: 'panel_unavailable',
    times: 9,
  })
  const failed = await person.get('/spend?range=today&elsewhere=yes')
  assert.match(failed.html.querySelector('.elsewhere')!.text, /could not be asked/)
})

test('charlie’s sums are his own, and guests see none', async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  await feed(person, [{ at: new Date().toISOString() }])
  assert.equal(await totalOn(stranger, 'range=month'), null)
  assert.equal((await stranger.get('/spend/receipts.json?range=month')).text.trim(), '[]')
  for (const path of ['/spend', '/spend/today', '/spend/receipts.csv', '/spend/receipts.json'])
    assert.equal((await app.browser().get(path)).status, 303, path)
})
