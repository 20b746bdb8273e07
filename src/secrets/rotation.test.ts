import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import { alice } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

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
