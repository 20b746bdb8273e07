import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import type { FaultInput } from '../mock/faults.ts'
import { startMockGateway } from '../mock/server.ts'
import { Secret } from '../secrets/secret.ts'
import { apiKey, caller, scriptedServer } from '../testing/scripted-server.ts'
import { createGateway, type Gateway, type ResponseEvent, type ResponseRequest } from './client.ts'
import { GatewayError } from './errors.ts'

const sse = { 'content-type': 'text/event-stream', 'x-client-request-id': 'id-1' }
const asked: ResponseRequest = {
  model: 'gpt-5.5',
  instructions: 'Be short.',
  input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] }],
}
const line = (type: string, more = {}) => `data: ${JSON.stringify({ type, ...more })}\n\n`
const delta = (text: string, more = {}) =>
  line('response.output_text.delta', { output_index: 0, content_index: 0, delta: text, ...more })
const usage = { input_tokens: 10, output_tokens: 5, output_tokens_details: { reasoning_tokens: 2 } }
const completed = line('response.completed', { response: { status: 'completed', output: [], usage } })

async function gather(gateway: Gateway, request: Partial<ResponseRequest> = {}, key = apiKey) {
  const events: ResponseEvent[] = []
  try {
    const { signal } = new AbortController()
    for await (const event of gateway.respond(caller, key, { ...asked, ...request }, { signal })) events.push(event)
    return { events, error: null }
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error))
    return { events, error }
  }
}

function textOf(events: readonly ResponseEvent[], type: 'text' | 'reasoning' = 'text'): string {
  return events.map(event => (event.type === type ? event.delta : '')).join('')
}

async function answerOf(t: TestContext, body: string, headers: Record<string, string> = sse) {
  const answer = (res: ServerResponse) => res.writeHead(200, headers).end(body)
  const { gateway, requests } = await scriptedServer(t, (_req, res) => answer(res), { timeouts: { idle: 300 } })
  return { ...(await gather(gateway)), requests }
}

test('text comes as it is written, and the tokens at the end', async t => {
  const { events, error, requests } = await answerOf(
    t,
    `:\n\n${delta('Good ')}${delta('day')}${completed}data: [DONE]\n\n`,
  )
  assert.equal(error, null)
  assert.deepEqual(events, [
    { type: 'accepted', requestId: 'id-1' },
    { type: 'text', delta: 'Good ' },
    { type: 'text', delta: 'day' },
    {
      type: 'finished',
      status: 'completed',
      reason: null,
      usage: { inputTokens: 10, cachedTokens: null, outputTokens: 5, reasoningTokens: 2 },
    },
  ])
  const { req, body } = requests[0]!
  assert.deepEqual(JSON.parse(body), { ...asked, stream: true, store: false })
  assert.equal(req.headers.authorization, `Bearer ${apiKey.reveal()}`)
  assert.equal(req.headers['x-real-ip'], caller.address)
})

test('tools are offered one call at a time, and effort asks for a summary of the reasoning', async t => {
  const { gateway, requests } = await scriptedServer(t, (_req, res) => res.writeHead(200, sse).end(completed))
  const tool = { type: 'function' as const, name: 'f', description: 'd', parameters: {}, strict: true }
  await gather(gateway, { tools: [tool], effort: 'low' })
  assert.partialDeepStrictEqual(JSON.parse(requests[0]!.body), {
    tools: [tool],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    reasoning: { effort: 'low', summary: 'auto' },
  })
  await gather(gateway, { tools: [], effort: 'none' })
  const second = JSON.parse(requests[1]!.body)
  assert.deepEqual(second.reasoning, { effort: 'none' })
  assert.equal('tools' in second, false)
})

test('blank instructions are never sent', async t => {
  const { gateway, requests } = await scriptedServer(t, (_req, res) => res.end())
  const { signal } = new AbortController()
  assert.throws(() => gateway.respond(caller, apiKey, { ...asked, instructions: ' ' }, { signal }), TypeError)
  assert.equal(requests.length, 0)
})

test('a type may stand on the event line alone', async t => {
  const event = `event: response.output_text.delta\ndata: {"delta":"hi"}\n\nevent: response.completed\ndata: {"response":{}}\n\n`
  const { events, error } = await answerOf(t, event)
  assert.equal(error, null)
  assert.equal(textOf(events), 'hi')
})

test('what an upstream leaves out of its deltas is taken from the end of the part, once', async t => {
  const done = line('response.output_text.done', { output_index: 0, content_index: 0, text: 'Good day' })
  const whole = {
    status: 'completed',
    output: [{ type: 'message', content: [{ type: 'output_text', text: 'Good day' }] }],
  }
  const { events } = await answerOf(t, `${delta('Good ')}${done}${line('response.completed', { response: whole })}`)
  assert.equal(textOf(events), 'Good day')
  const silent = await answerOf(t, line('response.completed', { response: whole }))
  assert.equal(textOf(silent.events), 'Good day')
})

test('several parts are kept apart, and reasoning is told from the answer', async t => {
  const summary = (index: number, text: string) =>
    line('response.reasoning_summary_text.delta', { output_index: 0, summary_index: index, delta: text })
  const { events } = await answerOf(
    t,
    `${summary(0, 'first')}${summary(1, 'second')}${delta('a', { output_index: 1 })}${delta('b', { output_index: 2 })}${completed}`,
  )
  assert.equal(textOf(events, 'reasoning'), 'first\n\nsecond')
  assert.equal(textOf(events), 'a\n\nb')
})

test('a function call is told once, with its arguments as they are', async t => {
  const item = { type: 'function_call', call_id: 'call_1', name: 'generate_image', arguments: '{"prompt":' }
  const body = `${line('response.output_item.done', { item })}${line('response.completed', { response: { output: [item] } })}`
  const { events } = await answerOf(t, body)
  assert.deepEqual(
    events.filter(event => event.type === 'call'),
    [{ type: 'call', callId: 'call_1', name: 'generate_image', arguments: '{"prompt":' }],
  )
})

test('a whole response instead of a stream is read too, whatever it is labelled', async t => {
  const output = [{ type: 'message', content: [{ type: 'output_text', text: 'Hi' }] }]
  for (const type of ['application/json', 'text/event-stream']) {
    const { events, error } = await answerOf(t, JSON.stringify({ status: 'completed', output, usage }), {
      'content-type': type,
    })
    assert.equal(error, null)
    assert.equal(textOf(events), 'Hi')
    assert.equal(events.at(-1)?.type, 'finished')
  }
})

test('an answer that was cut off by its length says by what', async t => {
  const incomplete = line('response.incomplete', { response: { incomplete_details: { reason: 'max_output_tokens' } } })
  const { events } = await answerOf(t, `${delta('half')}${incomplete}`)
  assert.partialDeepStrictEqual(events.at(-1), { type: 'finished', status: 'incomplete', reason: 'max_output_tokens' })
})

test('a failure inside the stream keeps its reason; money is known only where nothing was written', async t => {
  const failed = line('response.failed', { response: { error: { code: 'rate_limit_exceeded', message: 'slow down' } } })
  const early = await answerOf(t, failed)
  assert.equal(early.error?.reason, 'rate_limited')
  assert.partialDeepStrictEqual(early.error?.facts, { charged: 'no', mayRetry: true, detail: 'slow down' })
  const late = await answerOf(t, `${delta('some')}${failed}`)
  assert.partialDeepStrictEqual(late.error?.facts, { charged: 'unknown', mayRetry: false })
  assert.equal(textOf(late.events), 'some')
})

test('both forms of an error event end the call', async t => {
  const inner = await answerOf(
    t,
    line('error', { error: { type: 'upstream_error', code: 'stream_timeout', message: 'stream_timeout' } }),
  )
  assert.equal(inner.error?.reason, 'upstream')
  const outer = await answerOf(t, line('error', { code: 'server_error', message: 'broken' }))
  assert.equal(outer.error?.facts.detail, 'broken')
})

test('a stream that just ends is no answer', async t => {
  const { events, error } = await answerOf(t, delta('half'))
  assert.equal(textOf(events), 'half')
  assert.equal(error?.reason, 'upstream')
  assert.equal(error?.facts.charged, 'unknown')
})

test('silence and a broken connection end the call as what they are', async t => {
  const { gateway } = await scriptedServer(t, (_req, res) => void res.writeHead(200, sse).write(delta('a')), {
    timeouts: { idle: 300 },
  })
  assert.equal((await gather(gateway)).error?.reason, 'timeout')
  const cut = await scriptedServer(t, (_req, res) => {
    res.writeHead(200, sse).write(delta('a'), () => res.socket?.destroy())
  })
  const broken = await gather(cut.gateway)
  assert.equal(broken.error?.reason, 'gateway_down')
  assert.equal(broken.error?.facts.charged, 'unknown')
})

test('a refusal before the stream is told with its status, without the key', async t => {
  const { gateway } = await scriptedServer(t, (_req, res) => {
    res.writeHead(403, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ code: 'INSUFFICIENT_BALANCE', message: `no money on ${apiKey.reveal()}` }))
  })
  const { error } = await gather(gateway)
  assert.equal(error?.reason, 'insufficient_balance')
  assert.partialDeepStrictEqual(error?.facts, { charged: 'no', status: 403 })
  assert.doesNotMatch(error?.facts.detail ?? '', /0f0f/)
})

test('the mock and this client agree, with event lines and without, and on every fault', async t => {
  const mock = await startMockGateway()
  const gateway = createGateway({ upstream: mock.url })
  t.after(async () => {
    await gateway.close()
    await mock.close()
  })
  const login = await gateway.login(caller, { email: 'responses@example.com', password: new Secret('x') })
  assert.ok(login.kind === 'signed_in')
  const [key] = await gateway.listKeys(caller, login.tokens.accessToken)
  const ask = async (fault: FaultInput | null, request: Partial<ResponseRequest> = {}) => {
    if (fault) mock.control.fault(fault)
    return gather(gateway, request, key!.key)
  }
  const plain = await ask(null, { effort: 'low' })
  assert.match(textOf(plain.events), /You asked about \*\*hello\*\*/)
  assert.match(textOf(plain.events, 'reasoning'), /Reading the request/)
  for (const fault of [
    { eventLines: false },
    { done: true, comments: 3 },
    { as: 'json' as const },
    { as: 'json_as_stream' as const },
  ]) {
    const { events, error } = await ask(fault)
    assert.equal(error, null, JSON.stringify(fault))
    assert.equal(textOf(events), textOf(plain.events), JSON.stringify(fault))
  }
  const call = await ask({ functionCall: { name: 'generate_image', arguments: '{}' } })
  assert.ok(call.events.some(event => event.type === 'call'))
  for (const [fault, reason] of [
    [{ end: 'after_partial' }, 'upstream'],
    [{ cut: 'mid_picture' }, 'gateway_down'],
    [{ error: { at: 'mid_picture' } }, 'upstream'],
    [{ error: { at: 'mid_picture', form: 'handler' } }, 'upstream'],
    [{ reply: 'late_balance' }, 'insufficient_balance'],
  ] as const) {
    assert.equal((await ask(fault)).error?.reason, reason, JSON.stringify(fault))
  }
})
