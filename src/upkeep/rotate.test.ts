import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { z } from 'zod'
import { sealChosenKey } from '../account/key.ts'
import { createSealer } from '../secrets/sealer.ts'
import { Secret } from '../secrets/secret.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { emptyDatabase } from '../testing/kept.ts'
import { signedIn } from '../testing/people.ts'
import { environmentOf, runScript, startScript } from '../testing/script.ts'
import { testApp, until } from '../testing/server.ts'
import { countSealed } from './seal-queries.ts'

const PEOPLE = 4000
const app = await testApp({ role: 'web' })
const old = app.config.sessionSecrets[0]!

/** So many people with a chosen key that this secret sealed. */
async function crowd(secret: string, count: number): Promise<void> {
  const sealer = createSealer([secret])
  const ids = Array.from({ length: count }, (_, index) => 1_000_000 + index)
  const seals = ids.map(id => sealChosenKey({ sealer }, id, new Secret('sk-of-a-crowd')).toString('hex'))
  await app.db.run(
    `insert into users (id, email, name, role) select id, id || '@example.com', '', 'user' from unnest($1::bigint[]) id`,
    [ids],
  )
  await app.db.run(
    `insert into accounts (user_id, key_id, key_name, key_secret)
     select id, 1, 'Main', decode(sealed, 'hex') from unnest($1::bigint[], $2::text[]) as t (id, sealed)`,
    [ids, seals],
  )
}

test('the secret is rotated beside the app, is killed and goes on, and then the old one can be dropped', async () => {
  const secret = randomBytes(32).toString('hex')
  const config = { ...app.config, sessionSecrets: [secret, old] }
  const environment = environmentOf(config, app.db.url)
  const { older } = createSealer(config.sessionSecrets)
  const person = await signedIn(app, 'rotated@example.com')
  const pair = await boundKey(app, person)
  assert.equal((await person.post('/images', { prompt: 'waits under the old secret' })).status, 303)
  await crowd(old, PEOPLE)

  const early = await runScript('rotate-secret', ['--json'], environment)
  assert.equal(early.code, 1)
  assert.match(early.report.error, /a process of the app runs without the new secret/)

  await app.running.stop()
  const rotated = await app.another({ role: 'web', sessionSecrets: config.sessionSecrets })
  const headers = { Cookie: `sid=${person.cookie('sid')}` }
  const asks = async () => {
    const account = await rotated.browser().get('/account', { headers })
    assert.ok(account.html.querySelector('.key-row.chosen'), 'the tokens and the chosen key open')
  }
  await asks()

  const dry = await runScript('rotate-secret', ['--json', '--dry-run'], environment)
  assert.equal(dry.code, 0, dry.complained)
  const before = await countSealed(app.db, older)
  assert.equal(dry.report.found, before)
  assert.ok(before > PEOPLE)

  const { child } = startScript('rotate-secret', [], environment)
  await until('some of them', async () => (await countSealed(app.db, older)) < before - 50)
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  assert.ok((await countSealed(app.db, older)) > 0, 'it was killed on the way')
  await asks()

  const ended = await runScript('rotate-secret', ['--json'], environment)
  assert.deepEqual([ended.code, ended.report.left], [0, 0], ended.complained)
  assert.ok(ended.report.found < before)
  await asks()
  const again = await runScript('rotate-secret', ['--json'], environment)
  assert.deepEqual([again.code, again.report.found], [0, 0])
  await rotated.running.stop()

  const sealer = createSealer([secret])
  const Sealed = z.object({ userId: z.number(), keySecret: z.instanceof(Buffer) })
  const all = await app.db.many(Sealed, `select user_id, key_secret from accounts where user_id >= 1000000`)
  assert.equal(all.length, PEOPLE)
  for (const { userId, keySecret } of all) sealer.open('chosen key', userId, keySecret)

  const dropped = await app.another({ role: 'all', sessionSecrets: [secret] })
  const State = z.object({ state: z.string() })
  const end = await until('the end of what waited', () =>
    app.db.maybeOne(State, `select state from image_jobs where prompt like 'waits under%' and finished_at is not null`),
  )
  assert.equal(end.state, 'done')
  assert.match(await tokenOf({ ...app, url: dropped.running.url }, pair), /\w{20}/)
  await dropped.running.stop()
})

test('with one secret there is nothing to rotate, and it says how to begin', async () => {
  const ended = await runScript('rotate-secret', ['--json'], environmentOf(app.config, app.db.url))
  assert.equal(ended.code, 1)
  assert.match(ended.report.error, /SESSION_SECRET=new,old/)
})

test('a process that shares no secret with those that run does not start', async () => {
  const db = await emptyDatabase()
  const first = await app.another({ databaseUrl: db.url, role: 'web' })
  const other = randomBytes(32).toString('hex')
  await assert.rejects(
    app.another({ databaseUrl: db.url, role: 'web', sessionSecrets: [other] }),
    /another SESSION_SECRET/,
  )
  const both = await app.another({ databaseUrl: db.url, role: 'web', sessionSecrets: [other, old] })
  await Promise.all([first.running.stop(), both.running.stop()])
})
