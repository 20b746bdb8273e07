import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { ask, jobEnd, jobIn, jobRow, press } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { differences } from '../testing/receipts.ts'
import { testApp, until } from '../testing/server.ts'

// What the balance does not cover waits for it, whoever else spends from the same balance, and goes on by itself.

const worker = { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 5 }
const app = await testApp({ worker })
const { control } = app.mock
const idOf = ({ email }: Person) => control.user(email).id
const SMALL = 0.134

/** With so much, and that is known. */
async function having(balance: number, as: () => Promise<Person> = () => alice(app)): Promise<Person> {
  const person = await as()
  control.user(person.email, { balance })
  await person.post('/account/balance')
  return person
}

/** Presses on where the price is above the balance. */
async function insist(person: Person, prompt: string, fields: Record<string, string> = {}): Promise<string> {
  const asked = await press(person, { prompt, ...fields })
  if (asked.status === 303) return asked.location.split('/').at(-1)!
  assert.match(asked.html.querySelector('#form-error')!.text, /waits until the balance covers it/)
  const terms = asked.html.querySelector('#quote input[name=terms]')!.getAttribute('value')!
  return ask(person, prompt, { ...fields, terms })
}

const Counts = z.object({ done: z.number(), queued: z.number(), total: z.number() })
const countsOf = (person: Person) =>
  app.db.one(
    Counts,
    `select count(*) filter (where state = 'done') as done, count(*) filter (where state = 'queued') as queued,
       count(*) as total from image_jobs where user_id = $1`,
    [idOf(person)],
  )
const waitShown = async (person: Person, id: string) =>
  (await person.get(`/images/${id}`)).html.querySelector(`#wait-${id}`)?.text.replace(/\s+/g, ' ') ?? ''

describe('a picture that the balance does not cover', () => {
  test('waits with the sum that is missing and a link to top up, in both languages, and goes on by itself', async () => {
    const person = await having(0.1)
    const id = await insist(person, 'beyond my means')
    await until('the page to say so', async () => /\$0\.034 missing/.test(await waitShown(person, id)))
    assert.ok((await person.get(`/images/${id}`)).html.querySelector('.wait a[href="/account/top-up"]'))
    await person.post('/preferences', { language: 'zh-CN', back: '/images' })
    assert.match(await waitShown(person, id), /等待余额：还差 \$0\.034/)
    assert.deepEqual(control.calls({ email: person.email, prompt: 'beyond my means' }), [])
    assert.equal((await (await charlie(app)).get(`/images/${id}`)).status, 404)
    control.user(person.email, { balance: 5 })
    assert.equal((await jobEnd(app.db, id)).state, 'done')
  })

  test('is called off like any other that waits, and what stands behind it goes on', async () => {
    const person = await having(0.2)
    const dear = await insist(person, 'dear', { n: '2' })
    const cheap = await insist(person, 'cheap')
    await until('both to wait', async () => /missing/.test(await waitShown(person, cheap)))
    await person.post(`/images/${dear}/cancel`)
    assert.equal((await jobEnd(app.db, cheap)).state, 'done')
    assert.equal((await jobRow(app.db, dear)).state, 'cancelled')
  })

  test('is told to scripts as waiting for the balance', async () => {
    const person = await having(0.01)
    const token = await tokenOf(app, await boundKey(app, person))
    const headers = { authorization: `Bearer ${token}` }
    const tasks = `${app.url}/api/playground/ssh/tasks`
    const made = await fetch(tasks, { method: 'POST', headers, body: JSON.stringify({ prompt: 'by a script' }) })
    const { data } = (await made.json()) as { data: { task_id: string } }
    await until('the script to be told', async () => {
      const told = await (await fetch(`${tasks}/${data.task_id}`, { headers })).json()
      const { status, waiting } = (told as { data: { status: string; waiting: string | null } }).data
      return status === 'queued' && waiting === 'balance'
    })
  })

  test('is left to the gateway where the balance could not be read for a while', async () => {
    const person = await having(0.1)
    const id = await insist(person, 'nobody can be asked')
    await until('it to wait', async () => /missing/.test(await waitShown(person, id)))
    control.fault({ match: { path: '/api/v1/user/profile', email: person.email }, cut: 'before_headers', times: 1000 })
    await app.db.run(`update accounts set balance_at = now() - interval '16 minutes' where user_id = $1`, [
      idOf(person),
    ])
    assert.equal((await jobEnd(app.db, id)).state, 'done', 'the gateway serves as long as there is anything')
  })
})

test('a balance that others use up in the middle of a batch keeps the rest of it waiting, and fails nothing', async () => {
  const person = await having(5)
  const hold = control.fault({ match: { prompt: 'of the batch' }, hold: 'before_completed', times: 2 })
  const prompts = Array.from({ length: 6 }, (_, each) => `line ${each} of the batch`).join('\n')
  await person.post('/images/batch', { prompts, step: 'start' })
  await control.waitForCalls(2, { email: person.email, prompt: 'of the batch', state: 'held' })
  // Another program of the same person.
  control.user(person.email, { balance: 0 })
  control.release(hold)
  await until('the rest to wait', async () => {
    const { queued, total } = await countsOf(person)
    const { balance } = await app.db.one(
      z.object({ balance: z.number() }),
      `select balance from accounts where user_id = $1`,
      [idOf(person)],
    )
    return total === 6 && queued > 0 && balance <= 0
  })
  control.user(person.email, { balance: 5 })
  await until('all to be done', async () => (await countsOf(person)).done === 6)
  assert.deepEqual(await differences(app, [person.email]), [])
})

test('a gateway that refuses though there is money is not asked for ever', async () => {
  const person = await having(5)
  control.fault({ match: { prompt: 'always refused' }, reply: 'balance', times: 100 })
  const id = await ask(person, 'always refused')
  await until('it to wait', async () => (await jobRow(app.db, id)).attempts > 0)
  await app.db.run(`update image_jobs set attempts = 7 where id = $1 and state = 'queued'`, [id])
  const row = await jobIn(app.db, id, 'failed')
  assert.deepEqual([row.failureReason, row.charged], ['insufficient_balance', 'no'])
})

/** The same for the same seed, from 0 to 1. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

for (const seed of [1, 2, 3]) {
  test(`whatever comes in whatever order, no more is called than the balance covers (seed ${seed})`, async () => {
    const roll = dice(seed)
    const person = await having(0.5)
    const { id: group } = control.group(control.keysOf(person.email)[0]!.group_id!, {})
    let least = Number.POSITIVE_INFINITY
    for (let step = 0; step < 25; step++) {
      const what = roll()
      if (what < 0.45) await insist(person, `seed ${seed}`, { n: String(1 + Math.floor(roll() * 3)) })
      else if (what < 0.6) {
        const prompts = Array.from({ length: 1 + Math.floor(roll() * 3) }, () => `seed ${seed}`).join('\n')
        const asked = await person.post('/images/batch', { prompts, step: 'start' })
        const terms = asked.html.querySelector('input[name=terms]')?.getAttribute('value')
        if (terms) await person.post('/images/batch', { prompts, step: 'start', terms })
      } else if (what < 0.8) {
        const { balance } = control.user(person.email)
        control.user(person.email, { balance: balance + roll() })
        if (roll() < 0.5) await person.post('/account/balance')
      } else if (what < 0.9) {
        const [oldest] = (await person.get('/images')).html.querySelectorAll('form[action$="/cancel"]')
        if (oldest) await person.post(oldest.getAttribute('action')!)
      } else if (what < 0.95) control.group(group, { image_price_1k: [0.1, SMALL, 0.2][Math.floor(roll() * 3)]! })
      else await person.post('/account/balance')
      least = Math.min(least, control.user(person.email).balance)
    }
    control.user(person.email, { balance: control.user(person.email).balance + 100 })
    control.group(group, { image_price_1k: null })
    await until('all to end', async () => (await countsOf(person)).queued === 0)
    assert.deepEqual(await differences(app, [person.email]), [])
    // What was asked for before the price rose was billed by the new one: by so much, and no more.
    const { dearer } = await app.db.one(
      z.object({ dearer: z.coerce.number() }),
      `select coalesce(sum(greatest(amount - estimate, 0)), 0) as dearer from receipts where user_id = $1`,
      [idOf(person)],
    )
    assert.ok(least > -dearer - 1e-9, `the gateway's own ledger was at ${least}`)
    assert.ok((await countsOf(person)).done > 0)
  })
}
