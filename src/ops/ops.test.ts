import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createLog } from '../log.ts'
import { planStop, stopAll } from '../stopping.ts'
import { openBrowser } from '../testing/browser.ts'
import { replyIn, say } from '../testing/conversations.ts'
import { restartablePostgres } from '../testing/database.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const machine = app.browser()

test('a process is healthy and ready as soon as it listens', async () => {
  const health = await machine.get('/health')
  assert.deepEqual([health.status, JSON.parse(health.text)], [200, { status: 'ok' }])

  const ready = await machine.get('/ready')
  assert.equal(ready.status, 200)
  const { ms, ...told } = JSON.parse(ready.text)
  assert.deepEqual(Object.keys(ms), ['accepting', 'database', 'storage'], 'each part, and how long it took')
  for (const each of Object.values(ms)) assert.equal(typeof each, 'number')
  assert.deepEqual(told, {
    status: 'ok',
    accepting: 'ok',
    database: 'ok',
    storage: 'ok',
    spill: { state: 'ok', pictures: 0, bytes: 0, limit_bytes: 2048 * 1024 ** 2 },
  })
  for (const address of ['/health', '/ready', '/metrics']) assert.equal((await machine.head(address)).status, 200)
})

test('a worker answers machines only', async () => {
  const worker = await app.another({ role: 'worker' })
  const machine = worker.browser()

  assert.equal((await machine.get('/health')).status, 200)
  assert.equal((await machine.get('/ready')).status, 200)
  assert.equal((await machine.get('/metrics')).status, 200)
  for (const address of ['/', '/login', '/images', '/library']) assert.equal((await machine.get(address)).status, 404)
  // Or it would make what other tests expect of the first process.
  await worker.running.stop()
})

test('metrics are for the networks and the token that the operator names', async () => {
  const token = 'a token of sixteen or more'.replaceAll(' ', '-')
  const { browser } = await app.another({ role: 'web', metrics: { networks: ['192.0.2.0/24', 'fd00::/8'], token } })
  const stranger = browser()
  const ask = async (headers: Record<string, string>) => (await stranger.get('/metrics', { headers })).status

  assert.equal(await ask({}), 404)
  assert.equal(await ask({ 'X-Forwarded-For': '192.0.2.1', 'X-Real-IP': '192.0.2.1' }), 404)
  for (const wrong of ['', 'Bearer', `Bearer ${token}x`, `Basic ${token}`, token]) {
    assert.equal(await ask({ Authorization: wrong }), 404, wrong)
  }
  assert.equal(await ask({ Authorization: `Bearer ${token}` }), 200)
  assert.ok(!app.logs.some(line => line.includes(token)))

  const { browser: near } = await app.another({ role: 'web', metrics: { networks: ['127.0.0.1'], token: null } })
  assert.equal((await near().get('/metrics', { headers: { 'X-Forwarded-For': '203.0.113.9' } })).status, 200)
})

test('without its database a process is alive, not ready, and ready again by itself', async () => {
  const postgres = await restartablePostgres()
  const { browser } = await app.another({ databaseUrl: postgres.url, role: 'web' })
  const machine = browser()
  assert.equal((await machine.get('/ready')).status, 200)

  await postgres.stop()

  assert.equal((await machine.get('/health')).status, 200)
  const ready = await machine.get('/ready')
  assert.equal(ready.status, 503)
  const { ms: _, ...told } = JSON.parse(ready.text)
  assert.deepEqual(told, {
    status: 'unavailable',
    accepting: 'ok',
    database: 'failed',
    storage: 'ok',
  })
  await postgres.start()
  await until('the process to be ready again', async () => (await machine.get('/ready')).status === 200)
})

test('without a place for pictures a process is not ready', async () => {
  const blocked = path.join(app.config.dataDirectory, 'blocked')
  await writeFile(blocked, 'a file where a folder should be')
  const { browser } = await app.another({ dataDirectory: blocked, role: 'web' })

  const ready = await browser().get('/ready')

  assert.equal(ready.status, 503)
  assert.equal(JSON.parse(ready.text).storage, 'failed')
  assert.equal(JSON.parse(ready.text).database, 'ok')
})

test('metrics count what was asked, made and called, and name nobody', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a picture that counts')
  await owner.get(`/library/${picture.id}`)

  // A job counts once its end is committed, a moment after the row can be seen.
  const { text: numbers, headers } = await until('the job to be counted', async () => {
    const page = await machine.get('/metrics')
    return page.text.includes('playground_image_jobs_running 0\n') && page.text.includes('state="done"') && page
  })

  assert.match(headers['content-type']!, /^text\/plain/)
  assert.match(numbers, /playground_http_request_seconds_count\{method="GET",route="\/library\/:id",status="2xx"\} 1\n/)
  assert.match(numbers, /playground_http_request_seconds_count\{method="POST",route="\/images",status="3xx"\} 1\n/)
  assert.match(numbers, /playground_image_jobs_finished_total\{state="done",reason=""\} 1\n/)
  assert.match(numbers, /playground_pictures_total 1\n/)
  assert.match(numbers, /playground_image_jobs_running 0\n/)
  assert.match(numbers, /playground_gateway_call_seconds_count\{call="\w+",outcome="200"\} [1-9]/)
  assert.match(numbers, /process_resident_memory_bytes [1-9]/)
  for (const personal of [owner.email, picture.id, picture.token, 'counts']) assert.ok(!numbers.includes(personal))
})

test('addresses that do not exist are counted together', async () => {
  for (let each = 0; each < 3; each++) await machine.get(`/there/is/nothing/${each}`)
  const metrics = await machine.get('/metrics')
  assert.match(metrics.text, /route="none",status="4xx"\} [3-9]/)
  assert.doesNotMatch(metrics.text, /there\/is/)
})

test('a process that stops answers what it was asked before, and takes nothing new', async () => {
  const { running } = await app.another({ role: 'web' })
  const { port } = new URL(running.url)
  const form = 'email=dora%40example.com&password=long+enough'
  const socket = connect(Number(port), '127.0.0.1')
  socket.write(`POST /login HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Length: ${form.length}\r\n`)
  socket.write(`Content-Type: application/x-www-form-urlencoded\r\n\r\n${form.slice(0, 10)}`)
  const machine = openBrowser(running.url, () => {})
  await until('the rest of the process to answer', async () => (await machine.get('/health')).status === 200)

  const stopped = running.stop()
  await until('new connections to be refused', () =>
    machine.get('/health').then(
      () => false,
      () => true,
    ),
  )
  socket.write(form.slice(10))

  assert.match(await text(socket), /^HTTP\/1.1 303 /)
  await stopped
})

test('what cannot be stopped keeps nothing else from being stopped, and is told', async () => {
  const stopped: string[] = []
  const part = (name: string, failure?: Error) => async () => {
    stopped.push(name)
    if (failure) throw failure
  }
  const parts = [part('postgres'), part('queue', new Error('the queue hangs')), part('workers'), part('server')]
  await assert.rejects(stopAll(parts, planStop(1), createLog('silent')), AggregateError)
  assert.deepEqual(stopped, ['server', 'workers', 'queue', 'postgres'])
})

test('one id leads through the log from the click to the picture, and from what was said to the answer', async () => {
  const person = await alice(app)
  const id = await ask(person, 'to be followed')
  const { requestId } = await jobEnd(app.db, id)
  // The line of the request is written when its answer has gone, which may be later than the worker begins.
  const told = async (field: 'job' | 'conversation', value: string, end: string) => {
    const lines = () =>
      app.logs
        .filter(line => line.includes(value))
        .map(line => JSON.parse(line) as Record<string, unknown>)
        .filter(line => line[field] === value)
    await until(end, async () => lines().some(({ msg }) => msg === end) && lines().some(({ method }) => method))
    return lines()
  }
  const job = await told('job', id, 'a picture job ended')
  assert.deepEqual(job.map(({ method, msg }) => method ?? msg).toSorted(byName), [
    'POST',
    'a picture job ended',
    'the gateway is asked for pictures',
    'the gateway took a picture job',
  ])
  const end = job.find(({ msg }) => msg === 'a picture job ended')!
  assert.deepEqual([end.state, end.gatewayRequest], ['done', requestId])
  assert.ok(job.find(({ method }) => method)!.requestId, 'which the page of an error tells')

  const conversation = await say(person, 'to be followed, too')
  await replyIn(app.db, conversation, 'done')
  const said = await told('conversation', conversation, 'an answer ended')
  assert.deepEqual(said.map(({ method, msg }) => method ?? msg).toSorted(byName), [
    'POST',
    'an answer ended',
    'the gateway is asked for an answer',
  ])
  assert.ok(!app.logs.some(line => line.includes('to be followed')), 'and no word of theirs')
})

function byName(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1
}
