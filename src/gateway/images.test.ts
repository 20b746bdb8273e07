import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { apiKey, caller, completedOf, gather, request, scriptedServer } from '../testing/scripted-server.ts'
import { createGateway, type ImageCall, type ImageEvent } from './client.ts'
import { GatewayError } from './errors.ts'

const picture = randomBytes(300_000)
const b64 = picture.toString('base64')
const event = (type: string, more = {}) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, b64_json: b64, ...more })}\n\n`
const completed = event('image_generation.completed', { size: '1024x1024', quality: 'high', output_format: 'png' })
const partial = event('image_generation.partial_image', { partial_image_index: 1 })
const sse = { 'content-type': 'text/event-stream', 'x-client-request-id': 'id-1' }

function facts(error: unknown) {
  assert.ok(error instanceof GatewayError, String(error))
  const { charged, mayRetry, requestId, detail = '' } = error.facts
  return { reason: error.reason, charged, mayRetry, requestId, detail }
}

async function eventsOf(call: ImageCall) {
  const events: ImageEvent[] = []
  for await (const event of call) events.push(event)
  return events
}

async function assertFails(t: TestContext, answer: (res: ServerResponse) => void, expected: object, options = {}) {
  const { gateway } = await scriptedServer(t, (_req, res) => answer(res), {
    timeouts: { idle: 300, headers: 300, streamHeaders: 300 },
  })
  const { events, error } = await gather(gateway, options)
  assert.partialDeepStrictEqual(facts(error), expected)
  return events
}

test('a stream gives its previews and pictures as they come', async t => {
  const { gateway, requests } = await scriptedServer(t, (_req, res) => {
    res
      .writeHead(200, sse)
      .end(
        `:\n\n${partial}${completed}${event('image_edit.completed', { usage: { input_tokens: 20, output_tokens: 1056 } })}data: [DONE]\n\n`,
      )
  })
  const { events, error } = await gather(gateway, { n: 2, partialImages: 2 })
  assert.equal(error, null)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['accepted', 'partial', 'completed', 'completed'],
  )
  assert.deepEqual(events[0], { type: 'accepted', requestId: 'id-1' })
  assert.deepEqual(events[1], { type: 'partial', index: 1, bytes: picture })
  assert.deepEqual(events[2], {
    type: 'completed',
    bytes: picture,
    told: { size: '1024x1024', quality: 'high', format: 'png' },
  })
  const { req, body } = requests[0]!
  assert.deepEqual(JSON.parse(body), { ...request, n: 2, stream: true, partial_images: 2 })
  assert.equal(req.headers.authorization, `Bearer ${apiKey.reveal()}`)
  assert.equal(req.headers['x-real-ip'], caller.address)
  assert.equal(req.headers['user-agent'], caller.userAgent)
})

test('nothing but what is set is sent, and nothing before the first event is asked for', async t => {
  const { gateway, requests } = await scriptedServer(t, (_req, res) =>
    res.end(JSON.stringify({ data: [{ b64_json: b64 }] })),
  )
  const { signal } = new AbortController()
  const full = {
    ...request,
    size: 'auto',
    quality: 'low',
    background: 'opaque',
    outputFormat: 'webp',
    outputCompression: 80,
    moderation: 'low',
  }
  const call = gateway.generateImage(caller, apiKey, full, { signal, stream: false, partialImages: 2 })
  await gather(gateway, { stream: false })
  assert.equal(requests.length, 1)
  assert.deepEqual(JSON.parse(requests[0]!.body), request)
  assert.equal((await eventsOf(call)).length, 2)
  assert.deepEqual(JSON.parse(requests[1]!.body), {
    ...request,
    size: 'auto',
    quality: 'low',
    background: 'opaque',
    output_format: 'webp',
    output_compression: 80,
    moderation: 'low',
  })
  assert.equal((await eventsOf(call)).length, 0)
  assert.equal(requests.length, 2, 'reading it again sends nothing')
})

test('a JSON reply gives every picture, inline or as a data URL', async t => {
  const reply = {
    created: 1,
    data: [
      { b64_json: b64, revised_prompt: 'a *cat*' },
      { url: `data:image/png;base64,${b64}`, size: '1536x1024' },
    ],
    size: '1024x1024',
    quality: 'high',
    background: 'opaque',
    output_format: 'png',
    model: 'gpt-image-2-codex',
  }
  const told = {
    size: '1024x1024',
    quality: 'high',
    background: 'opaque',
    format: 'png',
    model: 'gpt-image-2-codex',
  }
  const { gateway } = await scriptedServer(t, (_req, res) =>
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply)),
  )
  const { events, error } = await gather(gateway, { stream: false })
  assert.equal(error, null)
  assert.deepEqual(events, [
    { type: 'accepted', requestId: null },
    { type: 'completed', bytes: picture, told: { ...told, revisedPrompt: 'a *cat*' } },
    { type: 'completed', bytes: picture, told: { ...told, size: '1536x1024' } },
  ])
})

test('what is said of pictures behind them is told when it comes, of each by its number', async t => {
  const large = randomBytes(9 * 1024 * 1024).toString('base64')
  const reply = {
    data: [
      { b64_json: large, revised_prompt: 'first' },
      { b64_json: `${large.slice(4)}AAAA`, revised_prompt: `second\0 ${apiKey.reveal()} ${'x'.repeat(40_000)}` },
      { b64_json: b64, revised_prompt: 7, quality: ' ' },
    ],
    size: '1024x1024',
    quality: 'auto',
  }
  const { gateway } = await scriptedServer(t, (_req, res) => res.end(JSON.stringify(reply)))
  const { events } = await gather(gateway, { n: 3, stream: false })
  const said = events.map(event => ('told' in event ? { ...event, bytes: undefined } : event))
  const common = { size: '1024x1024', quality: 'auto' }
  assert.partialDeepStrictEqual(said, [
    { type: 'accepted' },
    { type: 'completed', told: {} },
    { type: 'completed', told: {} },
    { type: 'told', picture: 0, told: { ...common, revisedPrompt: 'first' } },
    { type: 'told', picture: 1, told: common },
    { type: 'completed', told: common },
  ])
  const [, second] = said.filter(event => event.type === 'told')
  assert.match(second!.told.revisedPrompt!, /^second {2}\[secret\] x+…$/)
  assert.ok(second!.told.revisedPrompt!.length <= 32_000)
})

for (const [what, headers, body] of [
  [
    'JSON although a stream was asked for',
    { 'content-type': 'application/json' },
    JSON.stringify({ data: [{ b64_json: b64 }] }),
  ],
  ['JSON labelled as a stream', sse, JSON.stringify({ data: [{ b64_json: b64 }] }, null, 1)],
  ['a stream labelled as JSON', { 'content-type': 'application/json' }, completed],
  [
    'JSON after keep-alive spaces',
    { 'content-type': 'application/json' },
    ` \n \n \n${JSON.stringify({ data: [{ b64_json: b64 }] })}`,
  ],
  ['the whole JSON in one event', sse, `data: ${JSON.stringify({ data: [{ b64_json: b64 }] })}\n\n`],
  ['a stream without event lines', sse, completed.replace(/^event.*\n/, '')],
  ['a stream whose last event lacks its blank line', sse, completed.trimEnd()],
  ['a body with a byte order mark', {}, `\ufeff${JSON.stringify({ data: [{ b64_json: b64 }] })}`],
  ['a compressed body', { 'content-encoding': 'gzip' }, gzipSync(JSON.stringify({ data: [{ b64_json: b64 }] }))],
] as const) {
  test(`${what} gives its picture`, async t => {
    const { gateway } = await scriptedServer(t, (_req, res) => res.writeHead(200, headers).end(body))
    const { events, error } = await gather(gateway)
    assert.equal(error, null)
    assert.deepEqual(
      completedOf(events).map(({ bytes }) => bytes),
      [picture],
    )
  })
}

test('an error in the stream costs nothing before a preview, perhaps after one, and the picture after one', async t => {
  const service =
    'event: error\ndata: {"type":"error","error":{"type":"upstream_error","message":"upstream image stream idle for 15m0s"}}\n\n'
  const handler =
    'event: error\ndata: {"error":{"type":"rate_limit_error","message":"Concurrency limit exceeded for user, please retry later"}}\n\n'
  const answer = (text: string) => (res: ServerResponse) => void res.writeHead(200, sse).end(text)
  await assertFails(t, answer(`:\n\n${service}`), {
    reason: 'upstream',
    charged: 'no',
    mayRetry: false,
    requestId: 'id-1',
  })
  await assertFails(t, answer(`:\n\n${handler}`), { reason: 'concurrency', charged: 'no', mayRetry: true })
  await assertFails(t, answer(partial + service), { reason: 'upstream', charged: 'unknown', mayRetry: false })
  const events = await assertFails(t, answer(completed + handler), {
    reason: 'concurrency',
    charged: 'yes',
    mayRetry: false,
  })
  assert.equal(completedOf(events).length, 1)
})

test('a reply without a picture or without an end leaves the charge unknown', async t => {
  const unknown = { charged: 'unknown', mayRetry: false, requestId: 'id-1' }
  const cut = (text: string) => (res: ServerResponse) => void res.writeHead(200, sse).write(text, () => res.destroy())
  const end = (text: string) => (res: ServerResponse) => void res.writeHead(200, sse).end(text)
  await assertFails(t, end(':\n\n'), { reason: 'upstream', ...unknown })
  await assertFails(t, end(partial), { reason: 'upstream', ...unknown })
  await assertFails(t, end('<html>ok</html>'), { reason: 'upstream', ...unknown })
  await assertFails(t, end('{"created":1,"data":[]}'), { reason: 'upstream', ...unknown })
  await assertFails(t, end('{what}'), { reason: 'upstream', ...unknown })
  await assertFails(t, end(`{"data":[{"b64_json":"${b64}`), { reason: 'gateway_down', ...unknown })
  await assertFails(t, cut(completed.slice(0, 1000)), { reason: 'gateway_down', ...unknown })
  await assertFails(t, res => void res.destroy(), { reason: 'gateway_down', charged: 'unknown', mayRetry: false })
})

test('silence ends in a timeout, and spaces are not silence', async t => {
  const unknown = { reason: 'timeout', charged: 'unknown', mayRetry: false }
  await assertFails(t, () => undefined, unknown)
  await assertFails(t, () => undefined, unknown, { stream: false })
  await assertFails(t, res => void res.writeHead(200, sse).write(':\n\n'), unknown)
  let beats = 0
  const { gateway } = await scriptedServer(
    t,
    (_req, res) => {
      const timer = setInterval(() => {
        if (++beats < 8) return res.write(' \n')
        clearInterval(timer)
        return res.end(JSON.stringify({ data: [{ b64_json: b64 }] }))
      }, 100)
    },
    { timeouts: { idle: 400 } },
  )
  const { error } = await gather(gateway, { stream: false })
  assert.equal(error, null)
})

test('pictures before a cut survive it, and a cut after the last one is no failure', async t => {
  const cut = (res: ServerResponse) =>
    void res.writeHead(200, sse).write(`${completed}${completed}:\n\n`, () => res.destroy())
  const events = await assertFails(
    t,
    cut,
    { reason: 'gateway_down', charged: 'yes', mayRetry: false, requestId: 'id-1' },
    { n: 3 },
  )
  assert.equal(completedOf(events).length, 2)
  const { gateway } = await scriptedServer(t, (_req, res) => cut(res))
  const { events: both, error } = await gather(gateway, { n: 2 })
  assert.equal(error, null)
  assert.equal(completedOf(both).length, 2)
  const half = `{"data":[{"b64_json":"${b64}"},{"b64_json":"${b64.slice(0, 999)}`
  const early = await assertFails(
    t,
    res => void res.writeHead(200, sse).write(half, () => res.destroy()),
    { charged: 'yes' },
    { n: 2 },
  )
  assert.deepEqual(
    completedOf(early).map(({ bytes }) => bytes),
    [picture],
  )
})

test('a picture over 64 MiB and a stream of more than 16 are cut off', async t => {
  const huge = Buffer.alloc(1024 * 1024, 'A')
  await assertFails(
    t,
    res => {
      res.writeHead(200, sse).write('data: {"type":"image_generation.completed","b64_json":"')
      for (let i = 0; i < 90; i++) res.write(huge)
      res.end('"}\n\n')
    },
    { reason: 'upstream', charged: 'unknown' },
  )
  const events = await assertFails(t, res => void res.writeHead(200, sse).end(completed.repeat(17)), {
    reason: 'upstream',
    charged: 'yes',
  })
  assert.equal(completedOf(events).length, 16)
})

test('a gateway that cannot be reached has charged nothing, and may be asked again', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  taken.close()
  await once(taken, 'close')
  for (const upstream of [`http://127.0.0.1:${port}`, 'http://no-such-host.invalid']) {
    const gateway = createGateway({ upstream })
    t.after(() => gateway.close())
    const { error } = await gather(gateway)
    assert.partialDeepStrictEqual(facts(error), { reason: 'gateway_down', charged: 'no', mayRetry: true })
  }
})

test('a TLS handshake that fails has charged nothing', async t => {
  const { url } = await scriptedServer(t, () => assert.fail('no request may arrive'))
  const gateway = createGateway({ upstream: url.replace('http:', 'https:') })
  t.after(() => gateway.close())
  assert.partialDeepStrictEqual(facts((await gather(gateway)).error), {
    reason: 'gateway_down',
    charged: 'no',
    mayRetry: true,
  })
})

test('an aborted call ends at once: unknown when it was sent, free when it was not', async t => {
  const stop = new AbortController()
  const { gateway, requests } = await scriptedServer(t, (req, res) => {
    res.writeHead(200, sse).write(partial)
    req.socket.once('close', () => stop.signal.dispatchEvent(new Event('closed')))
  })
  const gone = once(stop.signal, 'closed')
  const reasons: unknown[] = []
  try {
    for await (const { type } of gateway.generateImage(caller, apiKey, request, {
      signal: stop.signal,
      stream: true,
    })) {
      if (type === 'partial') stop.abort()
    }
  } catch (error) {
    reasons.push(facts(error))
  }
  await gone
  assert.partialDeepStrictEqual(reasons, [
    { reason: 'interrupted', charged: 'unknown', mayRetry: false, requestId: 'id-1' },
  ])
  const { error } = await gather(gateway, { signal: AbortSignal.abort() })
  assert.partialDeepStrictEqual(facts(error), { reason: 'interrupted', charged: 'no', mayRetry: false })
  assert.equal(requests.length, 1)
})

test('a call aborted or out of time while it connects ends at once and has charged nothing', {
  timeout: 30_000,
}, async t => {
  // Accepts the connection and never shakes hands.
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const upstream = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
  const gateway = createGateway({ upstream, timeouts: { connect: 0 } })
  const hasty = createGateway({ upstream, timeouts: { connect: 0, total: 50 } })
  t.after(async () => {
    await Promise.all([gateway.close(), hasty.close()])
    silent.close()
  })
  const stop = new AbortController()
  silent.once('connection', () => stop.abort())
  const aborted = facts((await gather(gateway, { signal: stop.signal })).error)
  assert.partialDeepStrictEqual(aborted, { reason: 'interrupted', charged: 'no', mayRetry: false })
  assert.partialDeepStrictEqual(facts((await gather(hasty)).error), {
    reason: 'timeout',
    charged: 'no',
    mayRetry: false,
  })
})

test('leaving the loop early closes the connection', async t => {
  let closed: Promise<unknown> | undefined
  const { gateway } = await scriptedServer(t, (req, res) => {
    closed = once(req.socket, 'close')
    res.writeHead(200, sse).write(completed)
  })
  for await (const { type } of gateway.generateImage(caller, apiKey, request, {
    signal: new AbortController().signal,
    stream: true,
  })) {
    if (type === 'completed') break
  }
  await closed
})

test('no picture request is ever sent twice, and none rides on a connection that was used before', async t => {
  const sent: string[] = []
  const sockets: Socket[] = []
  // Reads one whole request, then closes without a word: what a kept-alive connection looks like when the server has just given it up.
  const server = createServer(socket => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    let text = ''
    socket.on('data', chunk => {
      text += chunk
      const [head = '', body = ''] = text.split('\r\n\r\n')
      if (!/content-length: (\d+)/i.test(head) || body.length < Number(/content-length: (\d+)/i.exec(head)![1])) return
      sent.push(head.split('\r\n')[0]!)
      text = ''
      const reply = JSON.stringify({ data: [{ b64_json: b64 }] })
      if (sent.length === 1)
        socket.write(`HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: ${reply.length}\r\n\r\n${reply}`)
      else if (sent.length === 2) socket.end()
      else socket.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const gateway = createGateway({ upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  t.after(async () => {
    await gateway.close()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  assert.equal((await gather(gateway, { stream: false })).error, null)
  for (let round = 0; round < 2; round++) {
    const { error } = await gather(gateway, { stream: false })
    assert.partialDeepStrictEqual(facts(error), { reason: 'gateway_down', charged: 'unknown', mayRetry: false })
  }
  assert.equal(sent.length, 3)
  assert.equal(sockets.length, 3)
})

test('a slow reader holds the server back', async t => {
  let written = 0
  const { gateway } = await scriptedServer(t, (_req, res) => {
    res.writeHead(200, sse)
    const more = () => {
      while (written < 16) {
        written++
        if (
          !res.write(
            event('image_generation.completed', { b64_json: Buffer.alloc(8 * 1024 * 1024).toString('base64') }),
          )
        )
          return
      }
      res.end()
    }
    res.on('drain', more)
    more()
  })
  const call = gateway.generateImage(caller, apiKey, request, { signal: new AbortController().signal, stream: true })
  let seen = 0
  for await (const { type } of call) {
    if (type !== 'completed') continue
    seen++
    // What the sockets buffer is some megabytes: never two pictures of 11 MB.
    await new Promise(resolve => setImmediate(resolve))
    assert.ok(written <= seen + 2, `${written} written when ${seen} were taken`)
  }
  assert.equal(seen, 16)
})

test('a picture at an address is fetched from the gateway itself, and not from inside the network', async t => {
  const elsewhere = await scriptedServer(t, () => assert.fail('nobody may ask here'))
  let address = '/pictures/1.png?signature=hidden'
  const own = await scriptedServer(t, (req, res) => {
    if (req.method === 'GET') res.end(picture)
    else res.end(JSON.stringify({ data: [{ url: new URL(address, own.url).href }] }))
  })
  const { events, error } = await gather(own.gateway, { stream: false })
  assert.equal(error, null)
  assert.deepEqual(completedOf(events)[0]!.bytes, picture)
  assert.equal(own.requests[1]!.req.headers.authorization, undefined)
  for (address of [
    `${elsewhere.url}/x?signature=hidden`,
    'ftp://example.com/x?signature=hidden',
    'http://[::ffff:127.0.0.1]/?signature=hidden',
  ]) {
    const { events: told, error: none } = await gather(own.gateway, { stream: false })
    assert.equal(none, null)
    const unfetched = told.find(event => event.type === 'unfetched')!
    assert.equal(unfetched.address, null, 'never to be asked')
    assert.ok(
      !unfetched.detail.includes('hidden') && unfetched.detail.includes(new URL(address).host),
      unfetched.detail,
    )
  }
})

test('a picture whose address fails at first is fetched again, since that costs nothing', async t => {
  let asked = 0
  const own = await scriptedServer(t, (req, res) => {
    if (req.method === 'POST') res.end(JSON.stringify({ data: [{ url: `${own.url}/1.png` }] }))
    else if (++asked < 3) res.writeHead(503).end()
    else res.end(picture)
  })
  const { events, error } = await gather(own.gateway, { stream: false })
  assert.equal(error, null)
  assert.deepEqual(completedOf(events)[0]!.bytes, picture)
  assert.equal(asked, 3)
})

test('each call is counted once, with its status', async t => {
  const calls: { name: string; status: number }[] = []
  const { gateway } = await scriptedServer(t, (_req, res) => res.writeHead(503).end('{}'), {
    onCall: ({ name, status, ms }) => void calls.push({ name, status: ms >= 0 ? status : -1 }),
  })
  await gather(gateway)
  await gather(gateway, { signal: AbortSignal.abort() })
  assert.deepEqual(calls, [
    { name: 'images_generations', status: 503 },
    { name: 'images_generations', status: 0 },
  ])
})

test('a request that broke off before its last byte has charged nothing, and one that was whole nobody knows', async t => {
  let take = 0
  const server = createServer(socket => {
    let seen = 0
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      seen += chunk.length
      if (seen >= take) socket.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const gateway = createGateway({ upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  t.after(async () => {
    await gateway.close()
    server.close()
  })
  // More than the system takes on its own.
  const bytes = Buffer.alloc(20 * 1024 * 1024, 'x')
  const picture = {
    contentType: 'image/png',
    size: bytes.length,
    async open() {
      return [bytes.subarray(0, 1024), bytes.subarray(1024)][Symbol.iterator]() as unknown as AsyncIterable<Uint8Array>
    },
  }
  const signal = new AbortController().signal
  const failureOf = async (call: AsyncIterable<unknown>) => {
    try {
      for await (const _ of call);
    } catch (error) {
      return facts(error)
    }
  }
  const form = () => gateway.editImage(caller, apiKey, { ...request, images: [picture] }, { signal, stream: false })
  const long = { ...request, prompt: bytes.toString() }
  const json = () => gateway.generateImage(caller, apiKey, long, { signal, stream: false })
  const answer = () => gateway.respond(caller, apiKey, { model: 'm', instructions: long.prompt, input: [] }, { signal })
  for (const call of [form, json, answer]) {
    for (const [bytesTaken, charged] of [
      [1, 'no'],
      [1024 * 1024, 'no'],
      [bytes.length + 300, 'unknown'],
    ] as const) {
      take = bytesTaken
      assert.partialDeepStrictEqual(await failureOf(call()), { reason: 'gateway_down', charged, mayRetry: false })
    }
  }
})

test('what has arrived before the connection breaks is read, however long its reader was busy', async t => {
  const event = (bytes: string) => `data: {"type":"image_generation.completed","b64_json":"${bytes}"}\n\n`
  const small = event(Buffer.from('a small picture, whole').toString('base64'))
  const busy = Promise.withResolvers<void>()
  const broken = Promise.withResolvers<void>()
  const { gateway } = await scriptedServer(t, (req, res) => {
    req.socket.once('close', () => broken.resolve())
    res.writeHead(200, sse).write(small)
    void busy.promise.then(() => res.write(`${small}${small}${event(b64).slice(0, 4000)}`, () => res.destroy()))
  })
  const seen: string[] = []
  const call = gateway.generateImage(caller, apiKey, { ...request, n: 4 }, { signal: t.signal, stream: true })
  await assert.rejects(async () => {
    for await (const each of call) {
      seen.push(each.type)
      if (each.type !== 'completed') continue
      // As if it stored the first, while the others come and the connection goes.
      busy.resolve()
      await broken.promise.then(() => new Promise(setImmediate))
    }
  }, GatewayError)
  assert.deepEqual(seen, ['accepted', 'completed', 'completed', 'completed', 'half'])
})
