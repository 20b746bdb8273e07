import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import { openStorage } from '../storage/storage.ts'
import { blobOf, boundKey, tokenOf } from '../testing/agents.ts'
import { replyIn, say } from '../testing/conversations.ts'
import { houseOf } from '../testing/house.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import type { SshPair } from '../testing/ssh.ts'
import { keepHouse } from '../upkeep/hourly.ts'
import { translator } from '../web/i18n.ts'
import { createSealer } from './sealer.ts'

const t = translator('en')

const app = await testApp({ role: 'web' })

test('after a rotation of SESSION_SECRET people are still signed in and waiting jobs still run', async () => {
  const person = await alice(app)
  const { location } = await person.post('/images', { prompt: 'Asked for under the old secret' })
  const headers = { Cookie: `sid=${person.cookie('sid')}` }
  await app.running.stop()

  const secret = randomBytes(32).toString('hex')
  const rotated = await app.another({ role: 'all', sessionSecrets: [secret, ...app.config.sessionSecrets] })
  const browser = rotated.browser()
  const account = await browser.get('/account', { headers })
  assert.equal(account.status, 200)
  assert.ok(account.html.querySelector('.key-row.chosen'), 'the chosen key too')
  const State = z.object({ state: z.string() })
  const ended = await until('the end of the job', () =>
    app.db.maybeOne(State, `select state from image_jobs where id = $1 and finished_at is not null`, [
      location.slice(8),
    ]),
  )
  assert.equal(ended.state, 'done')
  assert.equal((await browser.post('/account/balance', {}, { headers })).status, 303, 'sealed tokens open')
  assert.equal((await browser.post('/images', { prompt: 'Under the new one' }, { headers })).status, 303)
  await until('no key left in a row', () =>
    app.db.maybeOne(z.unknown(), `select 1 where not exists (select from image_jobs where key_secret is not null)`),
  )
  await rotated.running.stop()

  const dropped = await app.another({ role: 'web', sessionSecrets: [secret] })
  const asked = await dropped.browser().get('/account', { headers })
  assert.equal(asked.status, 303, 'a cookie signed with the dropped secret')
  assert.match(asked.location, /^\/login/)
  await dropped.running.stop()
})

/** The cookie of this browser, as if it had been given out since the rotation. */
function cookieOf(person: Person, secret: string): string {
  const [sid] = decodeURIComponent(person.cookie('sid')!).slice(2).split('.') as [string]
  const signature = createHmac('sha256', secret).update(sid).digest('base64').replace(/=+$/, '')
  return `sid=${encodeURIComponent(`s:${sid}.${signature}`)}`
}

/** A process that was there before the rotation: people ask, and nothing runs. */
async function before() {
  const { running, browser } = await app.another({ role: 'web' })
  const person = await signedIn(app, `before${++number}@example.com`, browser())
  return { person, pair: await boundKey(app, person), stop: () => running.stop() }
}

let number = 0

async function askForTask(url: string, pair: SshPair): Promise<{ status: number; body: string }> {
  const headers = { Authorization: `Bearer ${await tokenOf({ ...app, url }, pair)}` }
  const body = JSON.stringify({ prompt: 'a script asks' })
  const answer = await fetch(`${url}/api/playground/ssh/tasks`, { method: 'POST', headers, body })
  return { status: answer.status, body: await answer.text() }
}

test('housekeeping seals anew what an older secret sealed, so that it can be dropped', async () => {
  const { person, pair, stop } = await before()
  const { location } = await person.post('/images', { prompt: 'In a batch that is paused for long' })
  const conversation = await say(person, 'That waits until a window of its key opens')
  await stop()
  const secret = randomBytes(32).toString('hex')
  const storage = openStorage({ localDirectory: app.config.dataDirectory, s3: null, keepLocal: false })
  const rotated = { ...app.config, sessionSecrets: [secret, ...app.config.sessionSecrets] }
  await keepHouse(houseOf({ ...app, config: rotated }, storage))

  const { running, browser } = await app.another({ role: 'all', sessionSecrets: [secret] })
  const headers = { Cookie: cookieOf(person, secret) }
  const account = await browser().get('/account', { headers })
  assert.ok(account.html.querySelector('.key-row.chosen'), 'the tokens and the chosen key open')
  const State = z.object({ state: z.string() })
  const ended = await until('the end of the job', () =>
    app.db.maybeOne(State, 'select state from image_jobs where id = $1 and finished_at is not null', [
      location.slice(8),
    ]),
  )
  assert.equal(ended.state, 'done')
  await replyIn(app.db, conversation, 'done')
  assert.equal((await browser().post('/images', { prompt: 'Under the new one' }, { headers })).status, 303)
  await app.db.run('delete from sign_ins')
  assert.equal((await askForTask(running.url, pair)).status, 202, 'with nobody there to ask for the API key anew')
  await running.stop()
})

test('a page of seals that are broken keeps no good one behind it from being sealed anew', async () => {
  const { person, stop } = await before()
  await stop()
  const secret = randomBytes(32).toString('hex')
  const rotated = { ...app.config, sessionSecrets: [secret, ...app.config.sessionSecrets] }
  // More than are looked at in one go, and all of them before hers: sealed for somebody else.
  await app.db.run(
    `insert into ssh_keys (id, user_id, name, type, blob, fingerprint, key_id, key_name, key_allows_images, key_secret)
     select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid, user_id, 'broken', type,
       blob || convert_to(i::text, 'utf8'), fingerprint || i, key_id, key_name, key_allows_images, key_secret
     from ssh_keys join users on users.id = user_id, generate_series(1, 501) as i where email = $1`,
    [person.email],
  )
  const storage = openStorage({ localDirectory: app.config.dataDirectory, s3: null, keepLocal: false })
  await keepHouse(houseOf({ ...app, config: rotated }, storage))

  const Seal = z.object({ name: z.string(), id: z.string() })
  const { older } = createSealer([secret, ...app.config.sessionSecrets])
  const left = await app.db.many(
    Seal,
    `select k.name, k.id from ssh_keys k join users u on u.id = k.user_id
     where u.email = $1 and substring(key_secret from 2 for 4) = any($2)`,
    [person.email, older],
  )
  assert.equal(left.length, 501)
  assert.ok(left.every(({ name }) => name === 'broken'))
  await app.db.run(`delete from ssh_keys where name = 'broken'`)
})

test('what no secret opens any more costs nothing, and is told to whoever can choose again', async () => {
  const { person, pair, stop } = await before()
  const conversation = await say(person, 'asked under a secret that is dropped')
  await stop()
  const { running, browser } = await app.another({ role: 'all', sessionSecrets: [randomBytes(32).toString('hex')] })
  const reply = await replyIn(app.db, conversation, 'failed')
  assert.deepEqual(
    [reply.failureReason, reply.charged, reply.attempts, reply.keySecret],
    ['key_invalid', 'no', 1, null],
  )

  const refused = await askForTask(running.url, pair)
  assert.equal(refused.status, 409)
  assert.match(refused.body, /"reason":"no_api_key"/)
  assert.ok(refused.body.includes(t('agents.key_lost')))
  const again = await signedIn(app, person.email, browser())
  const { id } = await app.db.one(z.object({ id: z.string() }), 'select id from ssh_keys where blob = $1', [
    blobOf(pair),
  ])
  const page = await again.get(`/agents/${id}`)
  assert.equal(page.html.querySelector('[role="alert"]')?.text.trim(), t('agents.key_lost'))
  const keyId = page.html.querySelector('#api-key option[value]:not([value=""])')!.getAttribute('value')!
  assert.equal((await again.post(`/agents/${id}/key`, { key_id: keyId })).status, 303)
  assert.equal((await again.get(`/agents/${id}`)).html.querySelector('[role="alert"]'), null)
  assert.equal((await askForTask(running.url, pair)).status, 202)
  await running.stop()
})

test('tokens sealed under a dropped secret mean signing in again, not an error', async () => {
  const { browser } = await app.another({ role: 'web' })
  const person = browser()
  const form = { email: 'dropped@example.com', password: 'a password' }
  assert.equal((await person.post('/login', form)).status, 303)
  await app.db.run(`update sign_ins set access_token = set_byte(access_token, 1, (get_byte(access_token, 1) + 1) % 256),
    refresh_token = set_byte(refresh_token, 1, (get_byte(refresh_token, 1) + 1) % 256)`)
  assert.match((await person.get('/account')).location, /^\/login\?/)
  assert.equal((await person.post('/login', form)).status, 303)
  assert.equal((await person.get('/account')).status, 200)

  await app.db.run(
    `update sign_ins set refresh_token = set_byte(refresh_token, 1, (get_byte(refresh_token, 1) + 1) % 256)`,
  )
  assert.equal((await person.post('/logout')).status, 303)
  assert.equal((await person.get('/account')).status, 303)
})
