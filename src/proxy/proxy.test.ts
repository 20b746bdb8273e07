import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import OpenAI, { toFile } from 'openai'
import { atEnd } from '../testing/database.ts'
import { alice } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

/** What the gateway of the moment does with what reaches it. */
let behave: RequestListener = (_req, res) => res.end()
let arrived: { req: IncomingMessage; body: Promise<string> }[] = []
const gateway = createServer((req, res) => {
  const body = text(req).catch(() => 'cut')
  arrived.push({ req, body })
  behave(req, res)
})
await new Promise<void>(resolve => gateway.listen(0, '127.0.0.1', resolve))
const gatewayHost = `127.0.0.1:${(gateway.address() as AddressInfo).port}`
atEnd(async () => {
  gateway.closeAllConnections()
  gateway.close()
})

const app = await testApp({ role: 'web', proxy: true, upstream: `http://${gatewayHost}/base` })
const real = await testApp({ role: 'web', proxy: true })
const off = await testApp({ role: 'web' })
const key = `sk-${'5e'.repeat(32)}`

function scripted(listener: RequestListener): void {
  arrived = []
  behave = listener
}

function dial(t: TestContext, url = app.url): Socket {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.after(() => socket.destroy())
  return socket
}

/** Sends these bytes and gives all that comes back until the other end closes. */
async function raw(t: TestContext, request: string, url = app.url): Promise<string> {
  const socket = dial(t, url)
  socket.write(request)
  return text(socket)
}

function head(target: string, ...lines: string[]): string {
  const [first, method = 'GET'] = target.split(' ').reverse()
  return [`${method} ${first} HTTP/1.1`, 'Host: play.test', 'Connection: close', ...lines, '', ''].join('\r\n')
}

test('a request reaches the gateway as it was sent, and its answer the caller', async t => {
  scripted((_req, res) => res.writeHead(418, 'Teapot', { 'Content-Length': 7 }).end('{"a":1}'))
  const body = JSON.stringify({ model: 'gpt-5.5' })
  const answer = await raw(
    t,
    `${head('POST /v1/responses?a=%2F&b', `Authorization: Bearer ${key}`, 'Content-Type: application/json', `Content-Length: ${body.length}`)}${body}`,
  )
  assert.match(answer, /^HTTP\/1\.1 418 /)
  assert.match(answer, /\r\n\r\n\{"a":1\}$/)
  const { req, body: got } = arrived[0]!
  assert.deepEqual(
    [req.method, req.url, await got, req.headers.host, req.headers.authorization, req.headers['content-length']],
    ['POST', '/base/v1/responses?a=%2F&b', body, gatewayHost, `Bearer ${key}`, String(body.length)],
  )
})

for (const target of [
  'http://127.0.0.1:1/v1/models',
  `http://${gatewayHost}/v1/models`,
  '//127.0.0.1:1/v1/models',
  '/\\127.0.0.1:1/v1/models',
  '/v1/../admin',
  '/v1/%2e%2e/admin',
  '/v1/.%2E/admin',
  '/v1/..%2fadmin',
  '/v1/..\\admin',
  '/api/v1/../playground/ssh/me',
  '/v1/models#/../..',
]) {
  test(`${target} is refused, and nothing is asked of anybody`, async t => {
    scripted((_req, res) => res.end('reached'))
    const answer = await raw(t, head(target, `Authorization: Bearer ${key}`))
    assert.match(answer, /^HTTP\/1\.1 400 /)
    assert.equal(arrived.length, 0)
  })
}

test('headers of one connection, also those that Connection names, are not passed on in either direction', async t => {
  scripted((_req, res) => {
    res.writeHead(200, {
      Connection: 'close, X-Request-Id',
      'X-Request-Id': 'hop',
      'Keep-Alive': 'timeout=5',
      'Proxy-Authenticate': 'Basic',
      Trailer: 'X-Later',
      Upgrade: 'h2c',
      'X-Client-Request-Id': 'end-to-end',
    })
    res.end('ok')
  })
  const answer = await raw(
    t,
    head(
      '/v1/models',
      'Connection: X-Api-Key, openai-beta',
      'X-Api-Key: hop',
      'OpenAI-Beta: hop',
      'OpenAI-Organization: end-to-end',
      'Keep-Alive: timeout=9',
      'Proxy-Authorization: Basic eDp5',
      'Proxy-Connection: keep-alive',
      'TE: trailers',
      'Trailer: X-Later',
      'Upgrade: websocket',
    ),
  )
  const { headers } = arrived[0]!.req
  assert.equal(headers['openai-organization'], 'end-to-end')
  const hops = ['x-api-key', 'openai-beta', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer']
  assert.deepEqual(
    [...hops, 'upgrade'].filter(name => name in headers),
    [],
  )
  assert.match(answer, /x-client-request-id: end-to-end/i)
  assert.doesNotMatch(answer, /: hop|proxy-authenticate|trailer|upgrade|timeout=5/i)
})

test('cookies go in neither direction, and nobody is asked for in a name that is not in the request', async t => {
  scripted((_req, res) => {
    res.writeHead(200, { 'Set-Cookie': ['sid=theirs', 'lang=xx'], 'Set-Cookie2': 'a=b', 'Clear-Site-Data': '"*"' })
    res.end()
  })
  const person = await alice(real)
  const answer = await raw(t, head('/v1/models', `Cookie: sid=${person.cookie('sid')}`, 'Cookie2: $Version=1'))
  const { headers } = arrived[0]!.req
  assert.deepEqual(
    ['cookie', 'cookie2', 'authorization', 'x-api-key', 'x-goog-api-key'].filter(name => name in headers),
    [],
  )
  assert.doesNotMatch(answer, /set-cookie|clear-site-data/i)
  const asked = await person.get('/api/v1/user/profile')
  assert.equal(asked.status, 401, 'who is signed in here is nobody there')
})

test('the gateway hears from us where somebody comes from, and nothing that they say of it', async t => {
  scripted((_req, res) => res.end())
  const said = ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP', 'X-Client-IP', 'Forwarded']
  await raw(
    t,
    head('/v1/models', ...said.map(name => `${name}: 6.6.6.6`), 'X-Forwarded-Host: evil.test', 'User-Agent: tool/1'),
  )
  const { headers } = arrived[0]!.req
  assert.doesNotMatch(JSON.stringify(headers), /6\.6\.6\.6|evil/)
  assert.deepEqual(
    [headers['x-real-ip'], headers['x-forwarded-for'], headers['x-forwarded-proto'], headers['user-agent']],
    ['127.0.0.1', '127.0.0.1', 'http', 'tool/1'],
  )
})

test('whoever waits for 100 Continue gets it, and the body arrives', async t => {
  scripted((req, res) => void req.pipe(res))
  const socket = dial(t)
  socket.write(head('POST /v1/responses', 'Expect: 100-continue', 'Content-Length: 5'))
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.match(first.toString(), /^HTTP\/1\.1 100 Continue/)
  socket.write('hello')
  assert.match(await text(socket), /hello/)
  assert.equal(arrived[0]!.req.headers.expect, undefined)
})

test('a chunked body arrives whole, chunk by chunk, before its end is known', async t => {
  scripted((req, res) => req.once('data', () => res.flushHeaders()) && req.on('end', () => res.end('done')))
  const socket = dial(t)
  socket.write(`${head('POST /v1/responses', 'Transfer-Encoding: chunked')}4\r\nabcd\r\n`)
  const [first] = (await once(socket, 'data')) as [Buffer]
  assert.match(first.toString(), /^HTTP\/1\.1 200 /)
  socket.write('3\r\nefg\r\n0\r\n\r\n')
  await text(socket)
  assert.equal(await arrived[0]!.body, 'abcdefg')
})

test('a request whose end can be understood in two ways is refused', async t => {
  scripted((_req, res) => res.end('reached'))
  const twice = head('POST /v1/responses', 'Content-Length: 4', 'Transfer-Encoding: chunked')
  const strange = head('POST /v1/responses', 'Transfer-Encoding: gzip, chunked')
  const lengths = head('POST /v1/responses', 'Content-Length: 4', 'Content-Length: 5')
  for (const request of [twice, strange, lengths]) {
    assert.match(await raw(t, `${request}0\r\n\r\nGET /v1/admin HTTP/1.1\r\nHost: x\r\n\r\n`), /^HTTP\/1\.1 (400|501) /)
  }
  assert.equal(arrived.length, 0)
})

test('gzip is left as it is, in both directions', async () => {
  const packed = gzipSync('{"packed":true}')
  const got: Buffer[] = []
  scripted((req, res) => {
    req.on('data', (chunk: Buffer) => got.push(chunk))
    req.on('end', () => res.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': packed.length }).end(packed))
  })
  const { hostname, port } = new URL(app.url)
  const { request } = await import('node:http')
  const asked = request({
    hostname,
    port,
    path: '/v1/responses',
    method: 'POST',
    headers: { 'Content-Encoding': 'gzip', 'Accept-Encoding': 'gzip' },
  })
  asked.end(packed)
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  assert.deepEqual(Buffer.concat(got), packed)
  assert.deepEqual([answer.headers['content-encoding'], answer.headers['content-length']], ['gzip', `${packed.length}`])
  assert.equal(gunzipSync(Buffer.concat(chunks)).toString(), '{"packed":true}')
})

test('a stream is told byte by byte, and who leaves it is gone for the gateway too', async t => {
  let gone = false
  scripted((_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    res.write('data: one\n\n')
    res.once('close', () => {
      gone = true
    })
  })
  const socket = dial(t)
  socket.write(head('POST /v1/responses', 'Content-Length: 0'))
  let came = ''
  socket.on('data', chunk => {
    came += chunk
  })
  await until('the first event', async () => came.includes('data: one'))
  assert.match(came, /x-accel-buffering: no/i)
  socket.destroy()
  await until('the gateway is told', async () => gone)
})

test('who leaves while the body is under way, or before any answer, is gone for the gateway too', async t => {
  let closed = 0
  scripted((_req, res) => void res.once('close', () => closed++))
  for (const request of [head('POST /v1/responses', 'Content-Length: 9'), head('/v1/models')]) {
    const socket = dial(t)
    socket.write(request)
    await until('it has arrived', async () => arrived.length > closed)
    socket.destroy()
    const before = closed
    await until('it is gone', async () => closed > before)
  }
})

test('a stream that the gateway cuts is cut here, never ended, and hurts nothing else', async t => {
  for (const headers of [{ 'Content-Length': '100' }, { 'Content-Type': 'text/event-stream' }]) {
    scripted((_req, res) => {
      res.writeHead(200, headers)
      res.write('half', () => res.destroy())
    })
    const answer = await raw(t, head('/v1/models'))
    assert.match(answer, /half/)
    assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/)
  }
  assert.equal((await fetch(`${app.url}/health`)).status, 200)
})

test('a gateway that speaks no HTTP, or closes at once, is a 502 that says whether it may have been charged', async t => {
  scripted((_req, res) => res.socket!.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'))
  assert.match(await raw(t, head('/v1/models')), /^HTTP\/1\.1 502 /)
  scripted((_req, res) => res.socket!.destroy())
  const answer = await raw(t, head('POST /v1/responses', 'Content-Length: 0'))
  assert.match(answer, /^HTTP\/1\.1 502 [\s\S]*x-should-retry: false[\s\S]*may have been charged/i)
  const away = await app.another({ upstream: 'http://127.0.0.1:1' })
  const refused = await raw(t, head('POST /v1/responses', 'Content-Length: 0'), away.running.url)
  assert.match(refused, /^HTTP\/1\.1 502 [\s\S]*was not sent/)
  assert.doesNotMatch(refused, /x-should-retry/i)
})

test('an answer before the end of the request is heard, and the connection goes on to be used', async t => {
  scripted((req, res) => {
    if (req.method === 'GET') return void res.end('next')
    // As Go's server does: it goes on to listen for a while.
    res.socket!.end('HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno')
  })
  const socket = dial(t)
  const body = 'x'.repeat(4_000_000)
  socket.write(`POST /v1/responses HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  socket.write(head('/v1/models'))
  const answers = await text(socket)
  assert.match(answers, /^HTTP\/1\.1 401 [\s\S]*HTTP\/1\.1 200 /)
})

test('a GET is asked once more when the connection that stood open proves dead', async t => {
  const sockets = new Set<Socket>()
  scripted((req, res) => {
    if (sockets.has(req.socket)) return void req.socket.destroy()
    sockets.add(req.socket)
    res.end('fresh')
  })
  assert.match(await raw(t, head('/v1/models')), /fresh/)
  assert.match(await raw(t, head('/v1/models')), /fresh/)
  assert.equal(arrived.length, 3)
})

test('a gateway that is this very app is told so, once', async t => {
  scripted((_req, res) => res.end())
  const circle = await raw(t, head('/v1/models', 'Via: 1.1 sub2api-playground'))
  assert.match(circle, /^HTTP\/1\.1 508 /)
  assert.equal(arrived.length, 0)
})

test('a page of the gateway runs nothing here and is no page of this site', async t => {
  scripted((_req, res) => {
    res.writeHead(200, {
      'Content-Type': 'text/html',
      'Content-Security-Policy': 'default-src *',
      'X-Accel-Redirect': '/etc/passwd',
      'Service-Worker-Allowed': '/',
      'Strict-Transport-Security': 'max-age=0',
      Refresh: '0;url=/x',
    })
    res.end('<script>alert(1)</script>')
  })
  const answer = await raw(t, head('/v1/nothing'))
  assert.match(answer, /content-security-policy: default-src 'none'; sandbox/i)
  assert.match(answer, /x-content-type-options: nosniff/i)
  assert.doesNotMatch(answer, /default-src \*|accel-redirect|service-worker|max-age=0|refresh/i)
})

test('what is ours stays ours', async t => {
  scripted((_req, res) => res.end('reached'))
  const bearer = `Authorization: Bearer ${key}`
  await raw(t, head('/api/playground/ssh/me', bearer))
  await raw(t, head('/api/playground/v1/x', bearer))
  await raw(t, head('/images/generations', bearer))
  await raw(t, head('/images/tasks/a/b', bearer))
  await raw(t, head('POST /images/variations', bearer, 'Content-Length: 0'))
  for (const address of ['/images/generations', '/images/edits', '/images/generations/async', '/images/edits/async']) {
    await raw(t, head(`POST ${address}`, 'Content-Length: 0'))
    await raw(t, head(`POST ${address}`, 'Content-Length: 0', 'Authorization: Basic eDp5'))
  }
  await raw(t, head('/images/tasks/imgtask_1'))
  assert.equal(arrived.length, 0)
  await raw(t, head('POST /images/edits/async', bearer, 'Content-Length: 0'))
  await raw(t, head('/images/tasks/imgtask_1', bearer))
  assert.deepEqual(
    arrived.map(({ req }) => req.url),
    ['/base/images/edits/async', '/base/images/tasks/imgtask_1'],
  )
})

test('unless it is switched on, nothing is passed on', async t => {
  const bearer = `Authorization: Bearer ${key}`
  for (const target of ['/v1/models', '/api/v1/settings/public', 'POST /images/generations']) {
    assert.doesNotMatch(await raw(t, head(target, bearer, 'Content-Length: 0'), off.url), /^HTTP\/1\.1 2/)
  }
})

test('logs and counts name the route; no id, query or key is in them', async t => {
  scripted((_req, res) => res.socket!.destroy())
  const id = randomBytes(20).toString('hex')
  await raw(t, head(`/v1/responses/${id}?key=${id}`, `Authorization: Bearer ${id}`))
  await raw(t, head(`/images/tasks/imgtask_${id}`, `Authorization: Bearer ${id}`))
  await raw(t, head(`http://${id}.test/v1/models`))
  await raw(t, head('POST /v1/images/generations', 'Content-Length: 0'))
  const metrics = await (await fetch(`${app.url}/metrics`)).text()
  const lines = app.logs.join('\n')
  assert.doesNotMatch(lines + metrics, new RegExp(id))
  for (const route of ['/v1/*', '/images/tasks/:id', '/v1/images/generations', 'refused']) {
    assert.ok(lines.includes(`"path":"${route}"`), `${route} is in the log`)
    assert.ok(metrics.includes(`route="${route}"`), `${route} is counted`)
  }
})

test('the official client works through it, streaming included, and a picture is the same byte by byte', async () => {
  const own = real.mock.control.keysOf('proxied@example.com').find(each => each.group_id)!.key
  const clients = [`${real.url}/v1`, `${real.mock.url}/v1`].map(
    baseURL => new OpenAI({ apiKey: own, baseURL, maxRetries: 0 }),
  )
  const [through, direct] = clients as [OpenAI, OpenAI]
  assert.deepEqual((await through.models.list()).data.length, (await direct.models.list()).data.length)

  const stream = through.responses.stream({ model: 'gpt-5.5', instructions: 'Be short.', input: 'hello' })
  assert.match((await stream.finalResponse()).output_text, /^You asked/)

  const picture = await through.images.generate({ model: 'gpt-image-2', prompt: 'a fox', size: '1024x1024' })
  assert.ok(picture.data?.[0]?.b64_json)
  const events: string[] = []
  const made = await through.images.generate({ model: 'gpt-image-2', prompt: 'a fox', stream: true, partial_images: 2 })
  for await (const event of made) events.push(event.type)
  assert.deepEqual(events, [
    'image_generation.partial_image',
    'image_generation.partial_image',
    'image_generation.completed',
  ])
  const file = await toFile(Buffer.from(picture.data[0].b64_json, 'base64'), 'fox.png', { type: 'image/png' })
  const edited = await through.images.edit({ model: 'gpt-image-2', prompt: 'in snow', image: file })
  assert.ok(edited.data?.[0]?.b64_json)
  const wrong = new OpenAI({ apiKey: 'sk-nobody', baseURL: `${real.url}/v1`, maxRetries: 0 })
  await assert.rejects(wrong.models.list(), { status: 401 })
})

test('curl works through it, a large upload and a streamed answer included', async () => {
  const digest = createHash('sha256')
  scripted((req, res) => {
    req.on('data', chunk => digest.update(chunk))
    req.on('end', () => res.writeHead(200, { 'Content-Type': 'text/event-stream' }).end(`data: done\n\n`))
  })
  const bytes = randomBytes(12_000_000)
  const curl = spawn('curl', [
    '-sS',
    '-N',
    '-X',
    'POST',
    '-H',
    'Expect: 100-continue',
    '--data-binary',
    '@-',
    `${app.url}/v1/images/edits`,
  ])
  curl.stdin.end(bytes)
  assert.equal(await text(curl.stdout), 'data: done\n\n')
  assert.equal(digest.digest('hex'), createHash('sha256').update(bytes).digest('hex'))
})
