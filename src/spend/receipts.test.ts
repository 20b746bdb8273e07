import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { FaultInput } from '../mock/faults.ts'
import { groupIds } from '../mock/groups.ts'
import { newestReply, talk } from '../testing/conversations.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { languages, translator } from '../web/i18n.ts'
import { type Judgement, judgements } from './judge.ts'

type Verdict = Judgement['verdict']

let app: TestApp
before(async () => {
  app = await testApp()
})

const Row = z.object({ id: z.string() })
const receiptId = async (subject: string) =>
  (await app.db.one(Row, `select id from receipts where subject = $1 order by called_at desc limit 1`, [subject])).id

const Sheet = z.looseObject({ verdict: z.enum(judgements), model: z.string() })
async function sheetOf(person: Person, id: string) {
  const answer = await person.get(`/spend/receipts/${id}/sheet.json`)
  assert.equal(answer.status, 200)
  return Sheet.parse(JSON.parse(answer.text))
}
const verdictOn = async (person: Person, job: string) => (await sheetOf(person, await receiptId(job))).verdict
const judgedOn = async (person: Person, page: string) =>
  (await person.get(page)).html.querySelector('.receipt .judged')!.text.trim()

/** Somebody with a key of an account that bills streamed edits by tokens. */
async function editor(): Promise<Person> {
  const person = await alice(app)
  const key = app.mock.control.addKey(person.email, { name: 'Studio key', group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  return person
}

interface Recipe {
  what: string
  fields?: Record<string, string>
  fault?: FaultInput
  /** Made from a picture, with a key of an API-key account; with previews or without. */
  edit?: 'previews' | 'plain'
  /** What the gateway multiplies prices by, once they have been read. */
  rate?: number
  verdict: Verdict
}

const large = { size: '2048x2048' }
const three = { n: '3' }
const recipes: Recipe[] = [
  { what: 'a tier above what came', fault: { bill: { tier: '2K' } }, verdict: 'billed_dearer_tier' },
  { what: 'two tiers above', fault: { bill: { tier: '4K' } }, verdict: 'billed_dearer_tier' },
  {
    what: 'smaller, billed as asked',
    fields: large,
    fault: { size: '1024x1024', bill: { tier: '2K' } },
    verdict: 'billed_dearer_tier',
  },
  { what: 'any size at one go', fields: { size: 'auto' }, edit: 'plain', verdict: 'billed_dearer_tier' },
  {
    what: 'dearer, and too many',
    fields: three,
    fault: { deliver: 2, bill: { tier: '2K', count: 3 } },
    verdict: 'billed_dearer_tier',
  },
  { what: 'fewer, all billed', fields: three, fault: { deliver: 1, bill: { count: 3 } }, verdict: 'billed_more' },
  { what: 'billed twice', fault: { bill: { count: 2 } }, verdict: 'billed_more' },
  { what: 'smaller within its tier', fields: large, fault: { size: '1536x1024' }, verdict: 'delivered_smaller' },
  { what: 'smaller, billed so', fields: large, fault: { size: '1024x1024' }, verdict: 'delivered_smaller' },
  {
    what: 'smaller and fewer',
    fields: { ...large, ...three },
    fault: { size: '1024x1024', deliver: 2 },
    verdict: 'delivered_smaller',
  },
  { what: 'one of three', fields: three, fault: { deliver: 1 }, verdict: 'delivered_fewer' },
  { what: 'refused', fault: { reply: 'moderation' }, verdict: 'delivered_fewer' },
  { what: 'no picture', fault: { picture: 'not_an_image' }, verdict: 'charged_without_picture' },
  { what: 'cut off', fault: { cut: 'mid_picture' }, verdict: 'charged_without_picture' },
  { what: 'by tokens', edit: 'previews', verdict: 'billed_by_tokens' },
  { what: 'another price', rate: 1.5, verdict: 'stale_price_list' },
  { what: 'another price, and fewer', fields: three, fault: { deliver: 2 }, rate: 1.5, verdict: 'stale_price_list' },
  { what: 'no bill', fault: { noUsage: true }, verdict: 'not_settled' },
]

test('each way in which a bill and what came differ has its own verdict, in both languages', async () => {
  const person = await alice(app)
  const studio = await editor()
  const original = await makePicture(app, studio, 'an original')
  for (const { what, fields, fault, edit, rate, verdict } of recipes) {
    const who = edit ? studio : person
    const prompt = `recipe: ${what}`
    if (edit) await who.post('/account/edit-previews', { wanted: edit === 'previews' ? 'yes' : 'no' })
    if (fault) app.mock.control.fault({ match: { prompt }, ...fault })
    app.mock.state.rates.clear()
    app.mock.control.user(who.email, { rates: rate ? { [groupIds.openai]: rate } : {} })
    const id = await ask(who, prompt, { ...fields, ...(edit ? { reference: original.token } : {}) })
    await jobEnd(app.db, id)
    if (verdict === 'not_settled') {
      await until('the end', async () => (await jobRow(app.db, id)).state === 'done')
    } else {
      await until(`${what} to be settled`, async () => (await verdictOn(who, id)) !== 'not_settled')
    }
    assert.equal(await verdictOn(who, id), verdict, what)
    for (const language of languages) {
      await who.post('/preferences', { language, back: '/' })
      assert.equal(await judgedOn(who, `/images/${id}`), translator(language)(`spend.judged.${verdict}`), what)
    }
    await who.post('/preferences', { language: 'en', back: '/' })
  }
  assert.ok(recipes.length >= 15)
  const told = new Set(recipes.map(({ verdict }) => verdict))
  assert.deepEqual(
    [...judgements].filter(verdict => !told.has(verdict)),
    ['as_asked'],
  )
})

const honestSizes = ['1024x1024', '1280x1024', '1536x1024', '2048x2048', '2048x1152', '3840x2160', '816x816', 'auto']
const suited = '1024x1024'

test('none of a thousand honest calls is complained of', async () => {
  // A few go all the way; the others are rows of the gateway and calls as they end, settled by the worker that settles all.
  const person = await alice(app)
  const made: string[] = []
  for (const [at, size] of honestSizes.entries()) {
    const format = ['png', 'jpeg', 'webp'][at % 3]!
    made.push(await ask(person, `honest ${size}`, { size, quality: 'low', n: String(1 + (at % 3)), format }))
  }
  const verdicts: Verdict[] = []
  // One look settles so many at once.
  for (const each of [await alice(app), await alice(app)]) {
    await app.db.transaction(tx => feedHonest(tx, each.email, 500))
    const { id: userId } = app.mock.control.user(each.email)
    const open = `select id from receipts where user_id = $1 and amount is null`
    await until('the bills', async () => (await app.db.many(Row, open, [userId])).length === 0)
    for (const { id } of await app.db.many(Row, `select id from receipts where user_id = $1`, [userId]))
      verdicts.push((await sheetOf(each, id)).verdict)
  }
  for (const id of made) {
    await until('its bill', async () => (await verdictOn(person, id)) !== 'not_settled')
    verdicts.push(await verdictOn(person, id))
  }
  assert.equal(verdicts.length, 1000 + honestSizes.length)
  assert.deepEqual([...new Set(verdicts)], ['as_asked'])
})

/** As many calls of this person as ended well, and the rows by which the gateway billed them. */
async function feedHonest(tx: Db, email: string, count: number): Promise<void> {
  const { id: userId } = app.mock.control.user(email)
  const keyId = app.mock.control.keysOf(email)[0]!.id
  const prices = { '1K': 0.04, '2K': 0.06, '4K': 0.12 }
  for (let at = 0; at < count; at++) {
    const size = honestSizes[at % honestSizes.length]!
    const n = 1 + (at % 10)
    const [width = 0, height = 0] = (size === 'auto' ? suited : size).split('x').map(Number)
    const tier = Math.max(width, height) <= 1024 ? '1K' : Math.max(width, height) <= 2048 ? '2K' : '4K'
    const rate = 0.5 + (at % 7) / 10
    const usd = Number((prices[tier] * rate * n).toFixed(10))
    const list = Object.fromEntries(Object.entries(prices).map(([name, price]) => [name, price * rate]))
    const requestId = randomUUID()
    const key = { user_id: userId, api_key_id: keyId, group_id: null, model: 'gpt-image-2' }
    const bill = { total_cost: usd / rate, actual_cost: usd, rate_multiplier: rate, billing_mode: 'image' }
    const row = { image_count: n, image_size: tier, created_at: new Date().toISOString() }
    app.mock.state.usage.push({
      id: app.mock.state.nextId++,
      request_id: `client:${requestId}`,
      ...key,
      ...bill,
      ...row,
    })
    const delivered = Array.from({ length: n }, () => ({ width, height, format: 'png', condition: 'whole' }))
    await tx.run(
      `insert into receipts (user_id, kind, subject, key_id, model, asked, delivered, prices, estimate, request_id, charged,
         called_at, ended_at, works_until, look_at)
       values ($1, 'picture', gen_random_uuid(), $2, 'gpt-image-2', $3, $4, $5, $6, $7, 'yes', now(), now(),
         now() + interval '10 minutes', now())`,
      [
        userId,
        keyId,
        JSON.stringify({ size, n, quality: 'low', format: 'png' }),
        JSON.stringify(delivered),
        JSON.stringify(list),
        usd,
        requestId,
      ],
    )
  }
}

test('the evidence sheet has what an operator looks for, and neither keys nor words of the person', async () => {
  const person = await alice(app)
  const id = await ask(person, 'a secret garden', { n: '2' })
  await until('its bill', async () => (await jobRow(app.db, id)).cost)
  const address = `/spend/receipts/${await receiptId(id)}`
  const page = await person.get(address)
  const text = await person.get(`${address}/sheet.txt`)
  const json = await person.get(`${address}/sheet.json`)
  assert.match(text.headers['content-disposition']!, /^attachment; filename=receipt-.+\.txt$/)
  assert.equal(page.html.querySelector('[data-copy]')!.getAttribute('data-copy')!.replaceAll('&amp;', '&'), text.text)
  const [row] = app.mock.state.usage.filter(({ user_id }) => user_id === app.mock.control.user(person.email).id)
  const { rows } = await app.db.pool.query<{ sha256: Buffer }>(
    `select f.sha256 from pictures p join files f using (token) where p.job_id = $1`,
    [id],
  )
  assert.equal(rows.length, 2)
  const facts = [row!.request_id, String(row!.id), '0.268', '2K 0.201', 'size 1024x1024', 'As asked']
  for (const fact of [...facts, ...rows.map(({ sha256 }) => `sha256 ${sha256.toString('hex')}`)]) {
    assert.ok(text.text.includes(fact), fact)
    assert.ok(page.html.querySelector('.evidence')!.text.includes(fact), fact)
  }
  const known = z
    .looseObject({ request_id: z.string(), usage_id: z.number(), verdict: z.string() })
    .parse(JSON.parse(json.text))
  assert.deepEqual(
    [`client:${known.request_id}`, known.usage_id, known.verdict],
    [row!.request_id, row!.id, 'as_asked'],
  )
  const [key] = app.mock.control.keysOf(person.email)
  for (const told of [page.html.querySelector('main')!.text, text.text, json.text])
    for (const word of ['secret garden', key!.key, person.email]) assert.ok(!told.includes(word), word)
})

test('the verdict is on the picture and on the answer, and leads to the receipt', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'whole of it' }, size: '1024x1024' })
  const picture = await makePicture(app, person, 'whole of it')
  await until('its bill', async () => (await jobRow(app.db, picture.jobId)).cost)
  assert.equal(await judgedOn(person, `/library/${picture.id}`), 'As asked')
  const { id } = await talk(app.db, person, 'a word about money')
  const { messageId } = await newestReply(app.db, id)
  const link = () => person.get(`/chat/${id}`).then(({ html }) => html.querySelector(`#facts-${messageId} a`)!)
  await until('the verdict', async () => (await link()).text.trim() === 'As asked')
  const receipt = await person.get((await link()).getAttribute('href')!)
  assert.equal(receipt.html.querySelector('.judged')!.text.trim(), 'As asked')
})

test('charlie sees neither alice’s receipts nor their sheets', async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const id = await ask(person, 'hers')
  await jobEnd(app.db, id)
  const address = `/spend/receipts/${await receiptId(id)}`
  for (const path of [address, `${address}/sheet.txt`, `${address}/sheet.json`]) {
    assert.equal((await person.get(path)).status, 200)
    assert.equal((await stranger.get(path)).status, 404, path)
    assert.equal((await app.browser().get(path)).status, 303, path)
  }
})
