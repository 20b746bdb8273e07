import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { z } from 'zod'
import { groupIds } from '../mock/groups.ts'
import { openStorage } from '../storage/storage.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { newestReply, replyIn, say } from '../testing/conversations.ts'
import { houseOf } from '../testing/house.ts'
import { ask, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { findHeld } from './reservation-queries.ts'
import { upkeep } from './upkeep.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const Reservation = z.object({
  kind: z.string(),
  subject: z.string(),
  dearest: z.coerce.number().nullable(),
  expected: z.coerce.number(),
})

const idOf = (person: Person) => app.mock.control.user(person.email).id
const reservedFor = (person: Person) =>
  app.db.many(Reservation, `select * from reservations where user_id = $1 order by created_at, subject`, [idOf(person)])
const heldFor = (person: Person) => findHeld(app.db, idOf(person))
const nothing = { usd: 0, hasUnbounded: false }

/** All that may run of this person's runs, and is held by the gateway: whatever is asked for now waits. */
async function busy(person: Person, word: string): Promise<number> {
  const { runningPerUser } = app.config.limits
  const hold = app.mock.control.fault({ match: { prompt: word }, hold: 'before_headers', times: runningPerUser })
  for (let each = 0; each < runningPerUser; each++) await ask(person, word)
  await app.mock.control.waitForCalls(runningPerUser, { prompt: word, state: 'held' })
  return hold
}

test('what waits is held at the dearest bill that can come back, its receipt takes over, and what is settled holds nothing', async () => {
  const person = await alice(app)
  const hold = await busy(person, 'keeps the line')
  const calls = app.config.limits.runningPerUser
  // A picture asked for as 1K may come back as 4K, and is billed as that.
  assert.deepEqual(await heldFor(person), { usd: Number((calls * 0.268).toFixed(3)), hasUnbounded: false })
  const id = await ask(person, 'two that wait', { n: '2' })
  const [reservation] = await reservedFor(person)
  assert.deepEqual(reservation, { kind: 'picture', subject: id, dearest: 0.536, expected: 0.268 })
  assert.equal((await heldFor(person)).usd.toFixed(3), (calls * 0.268 + 0.536).toFixed(3))
  assert.deepEqual(await heldFor(await charlie(app)), nothing)
  app.mock.control.release(hold)
  await jobEnd(app.db, id)
  assert.deepEqual(await reservedFor(person), [])
  await until('all to be settled', async () => (await heldFor(person)).usd === 0)
})

test('of pictures, batches, agents, answers and paints each that waits has one, and each way out lets go of it', async () => {
  const person = await alice(app)
  const pair = await boundKey(app, person)
  const token = await tokenOf(app, pair)
  const hold = await busy(person, 'keeps all of it waiting')
  const cancelled = await ask(person, 'to be cancelled')
  const { location } = await person.post('/images/batch', { prompts: 'one line\ntwo lines', step: 'start' })
  const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'by a script', request_id: randomUUID() }),
  })
  assert.ok(answer.status < 300, await answer.text())
  assert.equal((await reservedFor(person)).length, 4)

  await person.post(`/images/${cancelled}/cancel`)
  assert.equal((await reservedFor(person)).length, 3)
  await person.post(`${location}/cancel`)
  assert.equal((await reservedFor(person)).length, 1)
  const sshKey = await app.db.one(z.object({ id: z.string() }), `select id from ssh_keys where user_id = $1`, [
    idOf(person),
  ])
  await person.post(`/agents/${sshKey.id}/revoke`)
  assert.deepEqual(await reservedFor(person), [])
  app.mock.control.release(hold)
})

test('an answer is held without an upper bound until it is settled, and one that is stopped lets go', async () => {
  const person = await alice(app)
  const hold = app.mock.control.fault({ match: { prompt: 'held words' }, hold: 'before_headers' })
  const conversation = await say(person, 'held words')
  await app.mock.control.waitForCalls(1, { prompt: 'held words', state: 'held' })
  const held = await heldFor(person)
  assert.ok(held.hasUnbounded && held.usd > 0)
  app.mock.control.release(hold)
  await replyIn(app.db, conversation, 'done')
  await until('all to be settled', async () => (await heldFor(person)).usd === 0)
  const { messageId } = await newestReply(app.db, conversation)
  await app.db.run(
    `update replies set state = 'queued', called_at = null, not_before = now() + interval '1 day', finished_at = null where message_id = $1`,
    [messageId],
  )
  assert.deepEqual(
    (await reservedFor(person)).map(({ kind, subject, dearest }) => [kind, subject, dearest]),
    [['answer', messageId, null]],
  )
  const stopped = await person.post(`/chat/${conversation}/messages/${messageId}/stop`)
  assert.equal(stopped.status, 303, stopped.text)
  assert.deepEqual(await reservedFor(person), [])
})

test('a call that was free puts the reservation back until the next one', async () => {
  const person = await alice(app)
  app.mock.control.fault({ match: { prompt: 'comes again' }, reply: 'no_accounts' })
  const id = await ask(person, 'comes again')
  await until('it to wait', async () => (await jobRow(app.db, id)).notBefore)
  assert.deepEqual(
    (await reservedFor(person)).map(({ subject }) => subject),
    [id],
  )
  await app.db.run(`update image_jobs set not_before = null, retry_at = null where id = $1`, [id])
  await jobIn(app.db, id, 'done')
  assert.deepEqual(await reservedFor(person), [])
})

test('an edit that may be billed by tokens has no upper bound', async () => {
  const person = await alice(app)
  const key = app.mock.control.addKey(person.email, { name: 'Studio key', group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  await person.post('/account/edit-previews', { wanted: 'yes' })
  const made = await ask(person, 'to be changed')
  await jobEnd(app.db, made)
  const token = (
    await app.db.one(z.object({ token: z.string() }), `select token from pictures where job_id = $1`, [made])
  ).token
  const hold = await busy(person, 'keeps the edit waiting')
  await ask(person, 'changed', { reference: token })
  const [reservation] = await reservedFor(person)
  assert.equal(reservation!.dearest, null)
  assert.ok(reservation!.expected > 0)
  assert.ok((await heldFor(person)).hasUnbounded)
  app.mock.control.release(hold)
})

test('what no row stands for any more is swept within the hour, and what waits is left alone', async () => {
  const person = await alice(app)
  const hold = await busy(person, 'keeps the sweep company')
  const waits = await ask(person, 'waits and is not swept')
  await app.db.run(
    `insert into reservations (kind, subject, user_id, dearest, expected, from_balance, created_at)
     values ('picture', $1, $2, 5, 5, true, now())`,
    [randomUUID(), idOf(person)],
  )
  const storage = openStorage({ localDirectory: `${app.config.dataDirectory}/assets`, s3: null, keepLocal: false })
  assert.equal(await upkeep(houseOf(app, storage)).reservations!(), 1)
  assert.deepEqual(
    (await reservedFor(person)).map(({ subject }) => subject),
    [waits],
  )
  app.mock.control.release(hold)
})
