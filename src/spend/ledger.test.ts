import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { z } from 'zod'
import { forgetDeleted } from '../chat/archive/keep.ts'
import { groupIds } from '../mock/groups.ts'
import { newestReply, replyIn, say, talk } from '../testing/conversations.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { differences } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const Receipt = z.object({
  kind: z.string(),
  charged: z.string(),
  endedAt: z.date().nullable(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  asked: z.record(z.string(), z.unknown()),
  delivered: z.array(z.record(z.string(), z.unknown())).nullable(),
  estimate: z.coerce.number().nullable(),
  amount: z.coerce.number().nullable(),
  billedBy: z.string().nullable(),
  billedTier: z.string().nullable(),
  billedCount: z.number().nullable(),
  billedRate: z.coerce.number().nullable(),
  conversationId: z.string().nullable(),
  conversationTitle: z.string().nullable(),
  batchId: z.string().nullable(),
})

/** Of one subject, the oldest first. */
const receiptsOf = (subject: string) =>
  app.db.many(Receipt, `select * from receipts where subject = $1 order by called_at`, [subject])
const billed = (id: string) => until('the bill', async () => (await jobRow(app.db, id)).cost !== null)

/** Somebody with a key of an account that bills streamed edits by tokens. */
async function editor(): Promise<Person> {
  const person = await alice(app)
  const key = app.mock.control.addKey(person.email, { name: 'Studio key', group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  return person
}

test('a receipt says what was asked, by which key, what came, and how that was billed', async () => {
  const person = await editor()
  app.mock.control.fault({ match: { prompt: 'two of three' }, deliver: 2 })
  const id = await ask(person, 'two of three', { n: '3', size: '2048x2048', quality: 'low' })
  await billed(id)
  const [receipt, ...more] = await receiptsOf(id)
  assert.deepEqual(more, [])
  const { size, quality, n, references, mask } = receipt!.asked
  assert.deepEqual([size, quality, n, references, mask], ['2048x2048', 'low', 3, 0, false])
  assert.deepEqual([receipt!.keyName, receipt!.keyGroup], ['Studio key', 'Studio'])
  assert.deepEqual(
    receipt!.delivered?.map(({ width, height, format }) => `${String(width)}x${String(height)} ${String(format)}`),
    ['2048x2048 png', '2048x2048 png'],
  )
  const { billedBy, billedTier, billedCount, amount, estimate } = receipt!
  assert.deepEqual([billedBy, billedTier, billedCount], ['picture', '2K', 2])
  assert.ok(amount! < estimate!, 'what did not come was not billed')
})

test('each attempt has a receipt of its own, and one that was free stays on record', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'second try' }, reply: 'no_accounts' })
  const id = await ask(person, 'second try')
  await until('it to wait', async () => (await jobRow(app.db, id)).notBefore)
  await app.db.run(`update image_jobs set not_before = null, retry_at = null where id = $1`, [id])
  await billed(id)
  const told = (await receiptsOf(id)).map(({ charged, amount, endedAt }) => [charged, amount, endedAt !== null])
  assert.deepEqual(told, [
    ['no', null, true],
    ['yes', 0.134, true],
  ])

  app.mock.control.fault({ match: { prompt: 'answer me again' }, reply: 'no_accounts_text' })
  const conversation = await say(person, 'answer me again')
  const { messageId } = await replyIn(app.db, conversation, 'done')
  assert.deepEqual(
    (await receiptsOf(messageId)).map(({ charged }) => charged),
    ['no', 'yes'],
  )
})

test('answers, titles and pictures of a conversation bear its name until it is gone for good', async () => {
  const person = await alice(app)
  const { id } = await talk(app.db, person, 'draw a lighthouse on a rock')
  const action = await until('a card', async () =>
    (await person.get(`/chat/${id}`)).html.querySelector('form.card')?.getAttribute('action'),
  )
  await person.post(action, { prompt: 'a lighthouse', size: '1024x1024', n: '1' })
  const ofConversation = () =>
    app.db.many(Receipt, `select * from receipts where conversation_id = $1 order by kind`, [id])
  const receipts = await until('all of them', async () => {
    const all = await ofConversation()
    return all.length === 4 && all.every(({ amount }) => amount !== null) && all
  })
  assert.deepEqual(
    receipts.map(({ kind, billedBy }) => `${kind} ${billedBy}`),
    ['answer tokens', 'answer tokens', 'picture picture', 'title tokens'],
  )
  for (const { conversationTitle } of receipts) assert.match(conversationTitle!, /lighthouse/)

  await person.post(`/chat/${id}/delete`)
  await app.db.run(`update conversations set deleted_at = now() - interval '31 days' where id = $1`, [id])
  await forgetDeleted(app, 30)
  assert.deepEqual(
    (await ofConversation()).map(({ conversationTitle }) => conversationTitle),
    [null, null, null, null],
  )
  const kept = `select id from image_jobs where conversation_id = $1 and conversation_title is not null`
  assert.equal(await app.db.run(kept, [id]), 0)
})

test('receipts are the bills of the gateway to the cent, however the calls went', async () => {
  const person = await editor()
  const { balance } = app.mock.control.user(person.email)
  const { token } = await makePicture(app, person, 'to be edited')
  await person.post('/account/edit-previews', { wanted: 'yes' })
  const end = async (prompt: string, fields: Record<string, string> = {}) => {
    const id = await ask(person, prompt, fields)
    await jobEnd(app.db, id)
    return id
  }
  await end('an edit that is billed by tokens', { reference: token, size: '1024x1024' })
  app.mock.control.fault({ match: { prompt: 'one of two' }, deliver: 1 })
  await end('one of two', { n: '2' })
  app.mock.control.fault({ match: { prompt: 'refused' }, reply: 'upstream_failed' })
  await end('refused')
  app.mock.control.fault({ match: { prompt: 'cut off in the middle' }, cut: 'mid_picture' })
  await end('cut off in the middle')
  app.mock.control.fault({ match: { prompt: 'no id and cut off' }, cut: 'before_headers' })
  const strange = await end('no id and cut off')

  // Cancelled and stopped, while the gateway goes on.
  const held = app.mock.control.fault({ match: { prompt: 'called off' }, hold: 'before_completed', times: 2 })
  const cancelled = await ask(person, 'called off: a picture')
  const conversation = await say(person, 'called off: an answer')
  await app.mock.control.waitForCalls(2, { prompt: 'called off', state: 'held' })
  await person.post(`/images/${cancelled}/cancel`)
  const { messageId } = await newestReply(app.db, conversation)
  await person.post(`/chat/${conversation}/messages/${messageId}/stop`)
  await jobEnd(app.db, cancelled)
  await replyIn(app.db, conversation, 'stopped')
  app.mock.control.release(held)
  await talk(app.db, person, 'an answer, and a title')
  await person.post('/images/batch', { prompts: 'a line\nanother line', step: 'start' })
  await until('the batch', async () => app.mock.control.calls({ prompt: 'line', state: 'done' }).length === 2)

  assert.deepEqual(await differences(app, [person.email]), [])
  const [row] = (await person.get(`/images/${strange}`)).html.querySelectorAll('.candidates button')
  await person.post(`/images/${strange}/decide`, { row: row!.getAttribute('value')! })
  const { spent } = await app.db.one(
    z.object({ spent: z.coerce.number() }),
    `select sum(amount) as spent from receipts where user_id = $1`,
    [app.mock.control.user(person.email).id],
  )
  const { balance: left } = app.mock.control.user(person.email)
  assert.equal(spent.toFixed(6), (balance - left).toFixed(6))
  const { rowCount } = await app.db.pool.query(
    `select from receipts where user_id = $1 and billed_by = 'tokens' and kind = 'picture'`,
    [app.mock.control.user(person.email).id],
  )
  assert.equal(rowCount, 1)
})

test('the balance is read anew also when a bill was found by time and model', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'no id at all' }, noClientRequestId: true })
  const id = await ask(person, 'no id at all')
  await billed(id)
  const { balance } = app.mock.control.user(person.email)
  const known = `select balance from accounts where user_id = (select user_id from image_jobs where id = $1)`
  assert.equal((await app.db.one(z.object({ balance: z.number() }), known, [id])).balance, balance)
})
