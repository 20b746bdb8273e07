import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { atEnd } from '../testing/database.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { countStatements } from '../testing/statements.ts'

const CONNECTIONS = 4
const lockOfPerson = `select pg_advisory_xact_lock($1, hashint8(id)) from users where email = $2`
const app = await testApp({ role: 'web', databaseConnections: CONNECTIONS })

test('whatever one person sends at once, another is answered; and each request is taken, or told to come again', async () => {
  const [crowd, other] = [await alice(app), await charlie(app)]
  const token = await tokenOf(app, await boundKey(app, crowd))
  const faces: [
    name: string,
    lock: number,
    send: (submission: string) => Promise<{ status: number; later: boolean }>,
  ][] = [
    ['a picture', 741_002, submission => post(crowd, '/images', { prompt: 'me too', submission })],
    ['a batch', 741_002, submission => post(crowd, '/images/batch', { prompts: 'a\nb', step: 'start', submission })],
    ['a task', 741_002, submission => task(token, submission)],
    ['a question', 742_002, submission => post(crowd, '/chat', { text: 'me too', submission })],
  ]
  for (const [name, lock, send] of faces) {
    const letGo = await holdLock(lock, crowd)
    const submissions = Array.from({ length: 3 * CONNECTIONS }, () => randomUUID())
    const answers = submissions.map(send)

    const { status } = await post(other, '/images', { prompt: `beside ${name}` })
    assert.equal(status, 303, name)
    for (const answer of await Promise.all(answers)) assert.deepEqual(answer, { status: 503, later: true }, name)
    await letGo()

    const [again] = submissions
    const { status: taken } = await send(again!)
    assert.ok(taken === 303 || taken === 202, `${name}: ${taken}`)
  }
})

test('nor do changes to a batch or an SSH key, while the jobs are being claimed', async () => {
  const [crowd, other] = [await alice(app), await charlie(app)]
  await boundKey(app, crowd)
  const key = /\/agents\/[\w-]{36}/.exec((await crowd.get('/agents')).text)![0]
  const { location: batch } = await crowd.post('/images/batch', { prompts: 'a\nb', step: 'start' })
  const changes = [`${batch}/pause`, `${batch}/resume`, `${batch}/cancel`, `${key}/revoke`]
  const letGo = await holdLock(741_001, null)
  const answers = [...changes, ...changes].map(path => post(crowd, path, {}))

  const { status } = await post(other, '/images', { prompt: 'beside them' })
  assert.equal(status, 303)
  for (const answer of await Promise.all(answers)) assert.deepEqual(answer, { status: 503, later: true })
  assert.match((await crowd.get(batch!)).text, /\/pause/, 'nothing has changed')
  await letGo()

  for (const path of changes) assert.equal((await post(crowd, path, {})).status, 303, path)
})

test('nothing is begun for a client that has left', async () => {
  const person = await alice(app)
  const asked = await countStatements(app.db.url)
  atEnd(async () => asked.close())
  const { running } = await app.another({ role: 'web', databaseUrl: asked.url })
  const letGo = await holdLock(741_002, person)
  const left = new AbortController()
  const answer = fetch(`${running.url}/images`, {
    method: 'POST',
    headers: { Cookie: `sid=${person.cookie('sid')}`, Origin: running.url },
    body: new URLSearchParams({ prompt: 'never mind' }),
    signal: left.signal,
  })
  await until('the request to wait for its turn', async () => asked.heard('pg_try_advisory_xact_lock'))
  left.abort()
  await assert.rejects(answer)
  await until('the server to notice', async () => app.logs.some(line => line.includes('"aborted":true')))
  await letGo()

  await person.post('/images', { prompt: 'but this' })

  const { rows } = await app.db.pool.query<{ prompt: string }>(
    'select prompt from image_jobs j join users u on u.id = j.user_id where email = $1',
    [person.email],
  )
  assert.deepEqual(rows, [{ prompt: 'but this' }])
})

test('a page that was told to come again does so by itself, with the same form', { skip: noChromium }, async t => {
  const chromium = await startChromium()
  t.after(() => chromium.close())
  const person = await alice(app)
  const { page } = await openPage(chromium, app.url, person)
  await page.goto('/images')
  const letGo = await holdLock(741_002, person)
  await page.fill('#prompt', 'patiently')
  await page.keyboard.press('Control+Enter')
  await page.locator('#toasts', { hasText: 'sent again by itself' }).waitFor()

  await letGo()

  await page.locator('.job', { hasText: 'patiently' }).waitFor()
  const { rows } = await app.db.pool.query<{ count: number }>(
    'select count(*)::int from image_jobs j join users u on u.id = j.user_id where email = $1',
    [person.email],
  )
  assert.equal(rows[0]!.count, 1)
})

async function post(person: Person, path: string, form: Record<string, string>) {
  const { status, headers } = await person.post(path, form)
  return { status, later: 'retry-after' in headers }
}

async function task(token: string, key: string) {
  const { status, headers } = await fetch(`${app.url}/api/playground/ssh/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Idempotency-Key': key },
    body: JSON.stringify({ prompt: 'me too' }),
  })
  return { status, later: headers.has('retry-after') }
}

/** As another process does that is in the middle of something of this person; null: of everybody. */
async function holdLock(lock: number, person: Person | null): Promise<() => Promise<void>> {
  const client = await app.db.pool.connect()
  await client.query('begin')
  if (person) await client.query(lockOfPerson, [lock, person.email])
  else await client.query('select pg_advisory_xact_lock($1, 0)', [lock])
  return async () => {
    await client.query('commit')
    client.release()
  }
}
