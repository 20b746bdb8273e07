import assert from 'node:assert/strict'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { z } from 'zod'
import { replyIn, say } from '../testing/conversations.ts'
import { atEnd } from '../testing/database.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

const Value = z.object({ stringValue: z.string().optional(), intValue: z.coerce.number().optional() })
const Span = z.object({
  traceId: z.string(),
  name: z.string(),
  startTimeUnixNano: z.coerce.bigint(),
  endTimeUnixNano: z.coerce.bigint(),
  attributes: z.array(z.object({ key: z.string(), value: Value })),
})
const Export = z.object({
  resourceSpans: z.array(z.object({ scopeSpans: z.array(z.object({ spans: z.array(Span) })) })),
})

/** Takes traces as OTLP in JSON; what came, as it came. */
async function receiver() {
  const bodies: string[] = []
  const heads: { url: string | undefined; headers: IncomingHttpHeaders }[] = []
  const server = createServer((req, res) => {
    heads.push({ url: req.url, headers: req.headers })
    void text(req).then(body => {
      bodies.push(body)
      res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(async () => void server.close())
  const spans = () =>
    bodies
      .flatMap(body => Export.parse(JSON.parse(body)).resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap(scope => scope.spans))
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, heads, spans }
}

test('with an endpoint a picture is one trace from the click to its end, by the id in its address, and tells no secret', async () => {
  const { endpoint, bodies, heads, spans } = await receiver()
  const app = await testApp({ traces: { endpoint, headers: { authorization: 'Bearer of traces' } } })
  const person = await alice(app)
  const id = await ask(person, 'a very private wish')
  await jobEnd(app.db, id)
  await person.get('/library?q=private-words')
  const conversation = await say(person, 'a very private question')
  await replyIn(app.db, conversation, 'done')

  const traceOf = (one: string) => spans().filter(({ traceId }) => traceId === one.replaceAll('-', ''))
  await until('the trace of the picture', async () => traceOf(id).length >= 3)
  await until('the trace of the answer', async () => traceOf(conversation).length >= 2)
  assert.deepEqual(
    traceOf(id)
      .map(({ name }) => name)
      .sort(),
    ['gateway picture', 'picture job', 'request'],
  )
  for (const { startTimeUnixNano: from, endTimeUnixNano: to } of spans()) assert.ok(from <= to)
  const [press] = traceOf(id).filter(({ name }) => name === 'request')
  const facts = Object.fromEntries(
    press!.attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  )
  assert.deepEqual(
    [facts['http.request.method'], facts['http.route'], facts['http.response.status_code']],
    ['POST', '/images', 303],
  )

  await until('the visit of the library', async () => bodies.join().includes('"/library"'))
  assert.equal(heads[0]!.url, '/v1/traces')
  assert.equal(heads[0]!.headers.authorization, 'Bearer of traces')
  const all = bodies.join('\n')
  for (const secret of [
    'private',
    person.email,
    'password',
    person.cookie('sid')!,
    app.config.sessionSecrets[0]!,
    'sk-',
  ]) {
    assert.ok(!all.includes(secret), secret)
  }
  const kinds = new Set(spans().map(({ name }) => name))
  assert.deepEqual(
    [...kinds].sort(),
    ['gateway answer', 'gateway call', 'gateway picture', 'picture job', 'request'],
    'no library tells of itself',
  )
})

test('traces that nobody takes hold nobody up', async () => {
  const app = await testApp({ traces: { endpoint: 'http://127.0.0.1:9', headers: {} } })
  const person = await alice(app)
  assert.equal((await jobEnd(app.db, await ask(person, 'all the same'))).state, 'done')
})

test('without an endpoint nothing of it is loaded', () => {
  const root = path.join(import.meta.dirname, '..')
  const users = globSync('**/*.ts', { cwd: root }).filter(
    name => !name.endsWith('.test.ts') && readFileSync(path.join(root, name), 'utf8').includes("'@opentelemetry/"),
  )
  assert.deepEqual(users, ['tracing.ts'])
  assert.doesNotMatch(readFileSync(path.join(root, 'tracing.ts'), 'utf8'), /^import .*@opentelemetry/m)
})
