import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { FaultInput } from '../mock/faults.ts'
import { groupIds } from '../mock/groups.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { ask, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person, rich } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

// What a key makes of what it is asked, learnt from what came: told before the next is paid for, and gone once it does again.

const app = await testApp({ worker: { tickSeconds: 0.1, leaseSeconds: 45, sweepSeconds: 15, persistSeconds: 5 } })
const { control } = app.mock
const htmx = { htmx: true }

/** Made and settled. */
async function settled(person: Person, prompt: string, fields: Record<string, string>, fault?: FaultInput) {
  if (fault) control.fault({ match: { prompt }, ...fault })
  const id = await ask(person, prompt, fields)
  await until('its bill', async () => {
    await anotherMinute(person)
    return (await jobRow(app.db, id)).cost
  })
}

/** As if one had begun: the gateway may be asked for so many bills in each. */
async function anotherMinute({ email }: Person): Promise<void> {
  const { id } = control.user(email)
  await app.db.run(`delete from panel_calls where user_id = $1`, [id])
  await app.db.run(
    `update receipts set look_at = now() where user_id = $1 and look_at > now() + interval '5 seconds' and ended_at is not null
       and usage_id is null`,
    [id],
  )
}

const warningOf = async (person: Person, fields: Record<string, string>) => {
  const quoted = await person.get(`/images/quote?${new URLSearchParams(fields)}`, htmx)
  return quoted.html.querySelector('#advice .warns')?.text.replace(/\s+/g, ' ').trim() ?? ''
}

test('a key that ceases to honour the size after fifty pictures is warned of within three, and no more five after it does again', async () => {
  const person = await rich(app, await alice(app))
  const square = { size: '1024x1024', quality: 'low' }
  const prompts = Array.from({ length: 50 }, (_, each) => `square ${each}`).join('\n')
  await person.post('/images/batch', { prompts, step: 'start', ...square })
  const Count = z.object({ count: z.number() })
  const { id: userId } = control.user(person.email)
  for (const some of [10, 20, 30, 40, 50]) {
    await until(`${some} to be settled`, async () => {
      await anotherMinute(person)
      const select = `select count(*) from receipts where user_id = $1 and amount is not null`
      return (await app.db.one(Count, select, [userId])).count >= some
    })
  }
  assert.equal(await warningOf(person, square), '')
  for (let flipped = 0; flipped < 3; flipped++) {
    assert.equal(await warningOf(person, square), '', `after ${flipped}`)
    await settled(person, `flipped ${flipped}`, square, { size: '1536x1024' })
  }
  assert.match(
    await warningOf(person, square),
    /^Size: this key does as if it had not been asked\. Last time 1024 × 1024 was asked, 1536 × 1024 came\./,
  )
  assert.equal(await warningOf(person, { size: 'auto' }), '', 'what is not asked cannot be ignored')
  assert.equal(await warningOf(await charlie(app), square), '')
  const account = await person.get('/account')
  assert.match(
    account.html.querySelector('.honours')!.text.replace(/\s+/g, ' '),
    /Size: ignored · since .* · 1024 × 1024 asked, 1536 × 1024 came/,
  )
  await person.post('/preferences', { language: 'zh-CN', back: '/images' })
  assert.match(
    await warningOf(person, square),
    /尺寸：这个密钥近来不理会此项。上次要求 1024 × 1024，得到 1536 × 1024。/,
  )
  for (let recovered = 0; recovered < 5; recovered++) {
    assert.notEqual(await warningOf(person, square), '', `after ${recovered}`)
    await settled(person, `recovered ${recovered}`, square)
  }
  assert.equal(await warningOf(person, square), '')
})

const ways: [what: string, fields: Record<string, string>, fault: FaultInput, told: RegExp][] = [
  [
    'smaller, in the same shape',
    { size: '2048x2048' },
    { size: '1024x1024' },
    /^Size: this key makes something else of it/,
  ],
  ['one of three', { n: '3' }, { deliver: 1 }, /^Count: .* not been asked\. Last time 3 was asked, 1 came/],
  ['another quality', { quality: 'low' }, { facts: { quality: 'medium' } }, /^Quality: this key makes something else/],
  ['the quality of the model', { quality: 'low' }, { facts: { quality: 'auto' } }, /^Quality: .* not been asked/],
  ['another background', { background: 'opaque' }, { facts: { background: 'auto' } }, /^Background: .* not been asked/],
]
for (const [what, fields, fault, told] of ways) {
  test(`three times ${what} is learnt as such`, async () => {
    const person = await rich(app, await alice(app))
    const asked = { quality: 'auto', size: 'auto', ...fields }
    for (let each = 0; each < 3; each++) await settled(person, `${what} ${each} of ${person.email}`, asked, fault)
    assert.match(await warningOf(person, asked), told)
  })
}

test('another key of the person that does as it is told is offered, and pays from then on', async () => {
  const person = await rich(app, await alice(app))
  const main = control.keysOf(person.email)[0]!
  const good = control.addKey(person.email, { name: 'Good', group_id: groupIds.openai })
  const choose = (id: number) => person.post('/account/key', { key_id: String(id) })
  const three = { n: '3', quality: 'auto', size: 'auto' }
  await choose(good.id)
  for (let each = 0; each < 3; each++) await settled(person, `good ${each} of ${person.email}`, three)
  await choose(main.id)
  for (let each = 0; each < 3; each++) await settled(person, `bad ${each} of ${person.email}`, three, { deliver: 1 })
  const quoted = await person.get(`/images/quote?${new URLSearchParams(three)}`, htmx)
  const button = quoted.html.querySelector('#advice button')!
  assert.equal(button.text.trim(), 'Use Good')
  await person.post('/images/advice', { prompt: 'x', ...three, press: button.getAttribute('value')! })
  assert.equal(await warningOf(person, three), '')
})

test('a script is told what its key ignores of what it asks for, and the preview of a batch says so once', async () => {
  const person = await rich(app, await alice(app))
  const token = await tokenOf(app, await boundKey(app, person))
  await person.post('/account/key', { key_id: String(control.keysOf(person.email)[0]!.id) })
  // What it pays with is looked at again, with its group.
  await app.db.run(`update ssh_keys set key_checked_at = now() - interval '1 hour' where user_id = $1`, [
    control.user(person.email).id,
  ])
  const low = { size: '1024x1024', quality: 'low' }
  const Created = z.object({ data: z.object({ warnings: z.array(z.record(z.string(), z.string())) }) })
  const byScript = async (quality: string, headers: Record<string, string> = {}) => {
    const body = JSON.stringify({ prompt: 'by script', ...low, quality })
    const request = { method: 'POST', headers: { authorization: `Bearer ${token}`, ...headers }, body }
    const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, request)
    assert.equal(answer.status, 202)
    return Created.parse(await answer.json()).data.warnings
  }
  const once = { 'idempotency-key': 'the same' }
  assert.deepEqual(await byScript('auto'), [])
  for (let each = 0; each < 3; each++)
    await settled(person, `ignored ${each} of ${person.email}`, low, { facts: { quality: 'auto' } })
  const message = 'Quality: this key does as if it had not been asked. Last time low was asked, auto came.'
  const warning = { parameter: 'quality', verdict: 'ignored', asked: 'low', came: 'auto', message }
  assert.deepEqual(await byScript('low', once), [warning])
  assert.deepEqual(await byScript('low', once), [warning], 'of the task that there is')
  assert.deepEqual(await byScript('auto'), [])
  const [chinese] = await byScript('low', { 'accept-language': 'zh-CN' })
  assert.match(chinese!.message!, /^质量：这个密钥近来不理会此项/)

  const preview = (quality: string) =>
    person.post('/images/batch', { prompts: 'one\ntwo', step: 'preview', ...low, quality })
  const warned = (await preview('low')).html.querySelectorAll('#batch-preview .warns')
  assert.deepEqual(
    warned.map(each => each.text.replace(/\s+/g, ' ').trim()),
    [`${message} What your keys do`],
  )
  assert.equal((await preview('auto')).html.querySelectorAll('.warns').length, 0)
})
