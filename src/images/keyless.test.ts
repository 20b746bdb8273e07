import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { groupIds } from '../mock/groups.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { ask, jobEnd, jobIn, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { differences } from '../testing/receipts.ts'
import { testApp, until } from '../testing/server.ts'

// A key that was changed or removed fails nothing: what waits for it goes on with it, or with another one, by itself.

const app = await testApp({ worker: { tickSeconds: 0.2, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 5 } })
const { control } = app.mock
const idOf = ({ email }: Person) => control.user(email).id
const keyNamed = (person: Person, name: string) => control.keysOf(person.email).find(key => key.name === name)!
const callsOf = (person: Person) => control.calls({ email: person.email, path: '/v1/images/generations' })
const waitShown = async (person: Person, id: string) =>
  (await person.get(`/images/${id}`)).html.querySelector(`#wait-${id}`)?.text.replace(/\s+/g, ' ') ?? ''
const choose = (person: Person, name: string) =>
  person.post('/account/key', { key_id: String(keyNamed(person, name).id) })

async function payingWith(name: string): Promise<Person> {
  const person = await alice(app)
  await choose(person, name)
  return person
}

/** One whose key was switched off a moment ago, as its tile says. */
async function keyless(person: Person, prompt: string): Promise<string> {
  control.key(keyNamed(person, 'Weekend').id, { status: 'inactive' })
  const id = await ask(person, prompt)
  await until('the page to say so', async () => /no longer takes the key Weekend/.test(await waitShown(person, id)))
  return id
}

test('a key switched off in the middle of a batch keeps the rest of it waiting, and fails nothing', async () => {
  const person = await payingWith('Weekend')
  const hold = control.fault({ match: { prompt: 'of the keyless batch' }, hold: 'before_completed', times: 2 })
  const prompts = Array.from({ length: 6 }, (_, each) => `line ${each} of the keyless batch`).join('\n')
  const { location } = await person.post('/images/batch', { prompts, step: 'start' })
  await control.waitForCalls(2, { email: person.email, prompt: 'of the keyless batch', state: 'held' })
  control.key(keyNamed(person, 'Weekend').id, { status: 'inactive' })
  control.release(hold)
  await until('the rest to wait', async () => /no longer takes the key Weekend/.test((await person.get(location)).text))
  const States = z.object({ failed: z.number(), done: z.number() })
  const select = `select count(*) filter (where state = 'failed') as failed, count(*) filter (where state = 'done') as done
    from image_jobs where user_id = $1`
  assert.equal((await app.db.one(States, select, [idOf(person)])).failed, 0)
  control.key(keyNamed(person, 'Weekend').id, { status: 'active' })
  await until('all to be done', async () => (await app.db.one(States, select, [idOf(person)])).done === 6)
  assert.deepEqual(await differences(app, [person.email]), [])
})

describe('a picture whose key does not work any more', () => {
  test('says so with a link, in both languages, and goes on with the key that the person chooses', async () => {
    const person = await payingWith('Weekend')
    const id = await keyless(person, 'paid by another')
    assert.match(await waitShown(person, id), /Nothing was charged/)
    const page = await person.get(`/images/${id}`)
    assert.ok(page.html.querySelector('.wait a[href="/account?next=/images#keys"]'))
    await person.post('/preferences', { language: 'zh-CN', back: '/images' })
    assert.match(await waitShown(person, id), /网关不再接受密钥 Weekend/)
    assert.equal((await (await charlie(app)).get(`/images/${id}`)).status, 404)
    await choose(person, 'Main')
    assert.equal((await jobEnd(app.db, id)).state, 'done')
    assert.equal(callsOf(person).at(-1)!.apiKeyId, keyNamed(person, 'Main').id)
  })

  test('does not go on by itself where the other key is dearer: that takes a press, which says so', async () => {
    const person = await payingWith('Weekend')
    const main = keyNamed(person, 'Main')
    control.key(main.id, { group_id: control.group(groupIds.studio, { image_price_1k: 5 }).id })
    const id = await keyless(person, 'for much more')
    await choose(person, 'Main')
    const before = await app.db.one(
      z.object({ at: z.date() }),
      `select key_looked_at as at from image_jobs where id = $1`,
      [id],
    )
    await until('it to be looked at', async () => {
      const select = `select key_looked_at > $2 as later from image_jobs where id = $1`
      return (await app.db.one(z.object({ later: z.boolean() }), select, [id, before.at])).later
    })
    const waiting = await jobRow(app.db, id)
    assert.deepEqual([waiting.state, waiting.charged], ['queued', null])
    const form = (await person.get(`/images/${id}`)).html.querySelector(`#move-${id}`)!
    assert.match(form.text, /Main/)
    await person.post(form.getAttribute('action')!)
    const { estimate } = await jobEnd(app.db, id)
    assert.equal(estimate, 4, 'its price by the rate of its group')
  })

  test('is called off like any other that waits', async () => {
    const person = await payingWith('Weekend')
    const id = await keyless(person, 'no longer wanted')
    await person.post(`/images/${id}/cancel`)
    const row = await jobRow(app.db, id)
    assert.deepEqual([row.state, row.charged, row.keySecret], ['cancelled', 'no', null])
  })

  test('that the gateway refuses though it says that the key works is not asked for for ever', async () => {
    const person = await alice(app)
    control.fault({ match: { prompt: 'refused always' }, reply: 'invalid_key', times: 100 })
    const id = await ask(person, 'refused always')
    const nearlySpent = `update image_jobs set attempts = 7, key_looked_at = 'epoch'
      where id = $1 and state = 'queued' and key_looked_at is not null`
    await until('it to wait', async () => (await app.db.run(nearlySpent, [id])) === 1)
    const row = await jobIn(app.db, id, 'failed')
    assert.deepEqual([row.failureReason, row.charged], ['key_invalid', 'no'])
  })

  test('and that a script asked for ends, with its reason: what to do is for the script to say', async () => {
    const person = await payingWith('Weekend')
    const token = await tokenOf(app, await boundKey(app, person))
    const headers = { authorization: `Bearer ${token}` }
    const tasks = `${app.url}/api/playground/ssh/tasks`
    control.fault({ match: { prompt: 'by a script' }, reply: 'key_expired' })
    const made = await fetch(tasks, { method: 'POST', headers, body: JSON.stringify({ prompt: 'by a script' }) })
    const { data } = (await made.json()) as { data: { task_id: string } }
    await until('its end', async () => {
      const told = (await (await fetch(`${tasks}/${data.task_id}`, { headers })).json()) as { data: { status: string } }
      return told.data.status === 'failed'
    })
  })
})
