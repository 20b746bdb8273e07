import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { Secret } from '../secrets/secret.ts'
import { apiKey, caller, scriptedServer } from '../testing/scripted-server.ts'
import { createGateway, type Gateway } from './client.ts'
import { GatewayError, PanelError } from './errors.ts'
import { staleWhileError } from './stale-while-error.ts'

const token = new Secret('eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln')
const refreshToken = new Secret(`rt_${'ab'.repeat(32)}`)
const password = new Secret('correct horse')
const user = {
  id: 1,
  email: 'alice@example.com',
  username: 'alice',
  role: 'user',
  balance: 12.5,
  concurrency: 5,
  status: 'active',
}
const ok = (data?: unknown) => JSON.stringify({ code: 0, message: 'success', data })

async function answering(
  t: TestContext,
  ...answers: [status: number, body: string, headers?: Record<string, string>][]
) {
  let count = 0
  return scriptedServer(t, (_req, res) => {
    const [status, body, headers] = answers[Math.min(count++, answers.length - 1)]!
    res.writeHead(status, headers).end(body)
  })
}

test('login gives tokens and the user, or asks for the code', async t => {
  const tokens = {
    access_token: token.reveal(),
    refresh_token: refreshToken.reveal(),
    expires_in: 3600,
    token_type: 'Bearer',
  }
  const pending = { requires_2fa: true, temp_token: 'tmp-1', user_email_masked: 'a***e@example.com' }
  const { gateway, requests } = await answering(
    t,
    [200, ok({ ...tokens, user })],
    [200, ok(pending)],
    [200, ok({ ...tokens, user })],
  )
  const before = Date.now()
  const login = await gateway.login(caller, { email: user.email, password, turnstileToken: 'tt' })
  assert.ok(login.kind === 'signed_in')
  assert.equal(login.tokens.accessToken.reveal(), token.reveal())
  assert.equal(login.tokens.refreshToken?.reveal(), refreshToken.reveal())
  assert.ok(login.tokens.expiresAt.getTime() >= before + 3_600_000)
  assert.partialDeepStrictEqual(login.user, { id: 1, email: 'alice@example.com', balance: 12.5, isAdmin: false })
  const { req, body } = requests[0]!
  assert.deepEqual(JSON.parse(body), { email: user.email, password: 'correct horse', turnstile_token: 'tt' })
  assert.deepEqual([req.headers['x-real-ip'], req.headers['user-agent']], [caller.address, caller.userAgent])

  const second = await gateway.login(caller, { email: user.email, password })
  assert.ok(second.kind === 'two_factor')
  assert.deepEqual([second.tempToken.reveal(), second.maskedEmail], ['tmp-1', 'a***e@example.com'])
  const session = await gateway.loginWithCode(caller, second.tempToken, '123456')
  assert.equal(session.user.id, 1)
  assert.deepEqual(JSON.parse(requests[2]!.body), { temp_token: 'tmp-1', totp_code: '123456' })
})

test('tokens may lack a refresh token and an expiry: the JWT tells, or a quarter of an hour is assumed', async t => {
  const { gateway } = await answering(
    t,
    [200, ok({ access_token: token.reveal() })],
    [200, ok({ access_token: 'opaque' })],
  )
  const { expiresAt, refreshToken: none } = await gateway.refresh(caller, refreshToken)
  assert.equal(none, null)
  // Of 2100: no token is believed for longer than a year.
  assert.ok(Math.abs(expiresAt.getTime() - Date.now() - 365 * 86_400_000) < 60_000)
  const opaque = await gateway.refresh(caller, refreshToken)
  assert.ok(Math.abs(opaque.expiresAt.getTime() - Date.now() - 900_000) < 60_000)
})

const refusals: [status: number, body: string, code: string][] = [
  [401, '{"code":401,"message":"invalid email or password","reason":"INVALID_CREDENTIALS"}', 'INVALID_CREDENTIALS'],
  [
    400,
    '{"code":400,"message":"turnstile verification failed","reason":"TURNSTILE_VERIFICATION_FAILED"}',
    'TURNSTILE_VERIFICATION_FAILED',
  ],
  [400, '{"code":400,"message":"Invalid or expired 2FA session"}', ''],
  [400, '{"code":400,"message":"invalid totp code","reason":"TOTP_INVALID_CODE"}', 'TOTP_INVALID_CODE'],
  [403, '{"code":403,"message":"user is not active","reason":"USER_NOT_ACTIVE"}', 'USER_NOT_ACTIVE'],
  [
    403,
    '{"code":403,"message":"Backend mode is active.","reason":"BACKEND_MODE_ADMIN_ONLY"}',
    'BACKEND_MODE_ADMIN_ONLY',
  ],
  [401, '{"code":"TOKEN_EXPIRED","message":"Token has expired"}', 'TOKEN_EXPIRED'],
  [
    401,
    '{"code":"SESSION_BINDING_MISMATCH","message":"Session network fingerprint changed, please login again"}',
    'SESSION_BINDING_MISMATCH',
  ],
  [429, '{"error":"rate limit exceeded","message":"Too many requests, please try again later"}', 'RATE_LIMITED'],
  [429, '{"code":"RATE_LIMITED","message":"Too many requests, please slow down and try again later"}', 'RATE_LIMITED'],
  [429, '<html>Too Many Requests</html>', 'RATE_LIMITED'],
  [
    409,
    '{"code":409,"message":"idempotent request is still processing","reason":"IDEMPOTENCY_IN_PROGRESS"}',
    'IDEMPOTENCY_IN_PROGRESS',
  ],
  [404, '{"code":404,"message":"API key not found"}', ''],
  [503, '{"code":503,"message":"","reason":"TURNSTILE_NOT_CONFIGURED"}', 'TURNSTILE_NOT_CONFIGURED'],
]
for (const [status, body, code] of refusals) {
  test(`the panel's ${status} ${body.slice(0, 90)} is a refusal with the code "${code}"`, async t => {
    const { gateway } = await answering(t, [status, body, { 'retry-after': '30' }])
    const error = await refusalOf(gateway)
    assert.ok(error instanceof PanelError, String(error))
    assert.deepEqual([error.status, error.code], [status, code])
    assert.ok(error.retryAt && error.retryAt > new Date())
  })
}

const outages: [status: number, body: string][] = [
  [500, '{"code":500,"message":"internal error"}'],
  [503, '{"code":503,"message":"service temporarily unavailable","reason":"SERVICE_UNAVAILABLE"}'],
  [502, '<html>502 Bad Gateway</html>'],
  [403, '<html>Attention Required! | Cloudflare</html>'],
  [404, '404 page not found'],
  [302, ''],
  [200, '<!doctype html><title>Sub2API</title>'],
  [200, '{"hello":"world"}'],
  [200, ok({ no: 'tokens' })],
  [200, ok()],
  [200, `"${'x'.repeat(9 * 1024 * 1024)}"`],
]
for (const [status, body] of outages) {
  test(`the panel's ${status} ${body.slice(0, 60)} is an outage, not a refusal`, async t => {
    const { gateway } = await answering(t, [status, body])
    const error = await refusalOf(gateway)
    assert.ok(error instanceof GatewayError, String(error))
    assert.deepEqual([error.reason, error.facts.charged], ['gateway_down', 'no'])
  })
}

test('a silent panel is a timeout and an absent one is down', async t => {
  const { url } = await scriptedServer(t, () => undefined)
  for (const [upstream, reason] of [
    [url, 'timeout'],
    ['http://127.0.0.1:1', 'gateway_down'],
  ] as const) {
    const gateway = createGateway({ upstream, timeouts: { panel: 300 } })
    t.after(() => gateway.close())
    const isExpected = (error: unknown) => {
      assert.ok(error instanceof GatewayError)
      const { charged, mayRetry } = error.facts
      assert.deepEqual([error.reason, charged, mayRetry], [reason, 'no', reason === 'gateway_down'])
      return true
    }
    await assert.rejects(gateway.profile(caller, token), isExpected)
    await assert.rejects(gateway.refresh(caller, refreshToken), isExpected)
  }
})

test('no message of a refusal repeats a credential', async t => {
  const { gateway } = await scriptedServer(t, (req, res) => {
    const said = `${req.headers.authorization ?? ''} correct horse ${refreshToken.reveal()} tmp-12345`
    res.writeHead(400).end(JSON.stringify({ code: 400, message: said }))
  })
  const calls = [
    gateway.login(caller, { email: user.email, password }),
    gateway.refresh(caller, refreshToken),
    gateway.profile(caller, token),
    gateway.loginWithCode(caller, new Secret('tmp-12345'), '123456'),
  ]
  const said = (await Promise.allSettled(calls)).map(result =>
    result.status === 'rejected' ? String(result.reason) : '',
  )
  assert.ok(said.every(text => text.includes('[secret]')))
  assert.ok(
    !said[0]!.includes('correct horse') &&
      !said.join().includes('rt_ab') &&
      !said[2]!.includes('eyJ') &&
      !said[3]!.includes('tmp-1'),
  )
})

test('all pages of the keys are read, and a key that is unlike the others does not lose them', async t => {
  const key = (id: number, more = {}) => ({
    id,
    key: `sk-${id}`,
    name: 'Tom &amp; &#34;Jerry&#34;',
    group_id: 10,
    status: 'active',
    quota: 0,
    quota_used: 1,
    expires_at: null,
    created_at: '2026-08-21T13:53:01.123456789+08:00',
    ip_whitelist: null,
    group: { id: 10, name: 'pool', platform: 'openai', rate_multiplier: 1, image_price_1k: null, image_price_2k: 0.3 },
    ...more,
  })
  const pages = [
    [key(1), key(2, { status: 'quota_exhausted' })],
    [key(2, { status: 'quota_exhausted' }), key(3, { status: 'frozen', group: undefined, group_id: null })],
    [{ id: 'x' }, key(4)],
  ]
  const { gateway, requests } = await scriptedServer(t, (req, res) => {
    const page = Number(new URL(req.url!, 'http://x').searchParams.get('page'))
    res.end(ok({ items: pages[page - 1], total: 6, page, page_size: 100, pages: 3 }))
  })
  const keys = await gateway.listKeys(caller, token)
  assert.deepEqual(
    keys.map(({ id, status }) => [id, status]),
    [
      [1, 'active'],
      [2, 'quota_exhausted'],
      [3, 'unknown'],
      [4, 'active'],
    ],
  )
  assert.equal(requests.length, 3)
  assert.equal(requests[0]!.req.headers.authorization, `Bearer ${token.reveal()}`)
  const [first, , third] = keys
  assert.equal(first!.name, 'Tom & "Jerry"')
  assert.equal(first!.key.reveal(), 'sk-1')
  assert.ok(!JSON.stringify(keys).includes('sk-1'))
  assert.deepEqual(first!.createdAt, new Date('2026-08-21T05:53:01.123Z'))
  assert.partialDeepStrictEqual(first!.group, { id: 10, platform: 'openai', imagePrice1k: null, imagePrice2k: 0.3 })
  assert.equal(first!.group!.allowImageGeneration, undefined)
  assert.deepEqual([third!.group, third!.groupId], [undefined, null])
})

test('a key is created with its idempotency key, and the answer has no group', async t => {
  const { gateway, requests } = await answering(t, [
    200,
    ok({ id: 100, key: 'sk-0f', name: 'Playground', group_id: 10, status: 'active' }),
  ])
  const key = await gateway.createKey(caller, token, { name: 'Playground', groupId: 10, idempotencyKey: 'once-1' })
  assert.deepEqual([key.id, key.groupId, key.group], [100, 10, undefined])
  assert.equal(requests[0]!.req.headers['idempotency-key'], 'once-1')
  assert.deepEqual(JSON.parse(requests[0]!.body), { name: 'Playground', group_id: 10 })
})

test('groups, rates and models are read in every shape they come in', async t => {
  const { gateway } = await scriptedServer(t, (req, res) => {
    if (req.url === '/api/v1/groups/available')
      res.end(ok([{ id: 1, name: 'a', platform: 'openai' }, null, { id: 2, allow_image_generation: false }]))
    else if (req.url === '/v1/models')
      res.end('{"data":[{"id":"gpt-image-2","type":"model"},{"id":"gpt-*"},{"x":1},{"id":"gpt-image-2"}]}')
    else res.end(rates)
  })
  let rates = ok()
  assert.deepEqual(
    (await gateway.listGroups(caller, token)).map(group => [group.id, group.allowImageGeneration]),
    [
      [1, undefined],
      [2, false],
    ],
  )
  assert.deepEqual(await gateway.listModels(caller, apiKey), ['gpt-image-2', 'gpt-*'])
  assert.deepEqual(await gateway.groupRates(caller, token), new Map())
  rates = ok({ 7: 0.5, 8: null })
  assert.deepEqual(await gateway.groupRates(caller, token), new Map([[7, 0.5]]))
})

test('usage rows are read newest first, without what else the gateway tells in them', async t => {
  const row = (id: number, minute: number) => ({
    id,
    request_id: `client:id-${id}`,
    api_key_id: 5,
    model: 'gpt-image-2',
    billing_mode: 'image',
    image_size: '1K',
    image_count: 1,
    rate_multiplier: 1.5,
    actual_cost: 0.134,
    created_at: `2026-08-21T00:0${minute}:00Z`,
    api_key: { key: 'sk-hidden' },
  })
  const { gateway, requests } = await answering(t, [200, ok({ items: [row(9, 5), row(7, 2)], pages: 1 })])
  const { rows, isLast } = await gateway.listUsage(caller, token, { page: 1, size: 50 })
  const createdAt = new Date('2026-08-21T00:05:00Z')
  assert.deepEqual(rows[0], {
    id: 9,
    keyId: 5,
    requestId: 'id-9',
    model: 'gpt-image-2',
    actualCost: 0.134,
    rate: 1.5,
    billedBy: 'picture',
    tier: '1K',
    count: 1,
    createdAt,
  })
  assert.deepEqual([rows.length, isLast], [2, true])
  assert.match(requests[0]!.req.url!, /page=1&page_size=50&sort_by=created_at&sort_order=desc$/)
})

test('settings are asked for once, and the last good ones outlive the gateway', async t => {
  const { gateway, requests, server } = await answering(
    t,
    [500, ''],
    [200, ok({ site_name: 'Ours', turnstile_enabled: true, turnstile_site_key: 7 })],
  )
  await assert.rejects(gateway.settings(), GatewayError)
  const [settings] = await Promise.all([gateway.settings(), gateway.settings()])
  assert.partialDeepStrictEqual(settings, { siteName: 'Ours', turnstileEnabled: true })
  assert.equal(settings.turnstileSiteKey, undefined)
  server.close()
  assert.equal(await gateway.settings(), settings)
  assert.equal(requests.length, 2)
  assert.equal(requests[0]!.req.headers['x-real-ip'], undefined)
})

test('what was loaded last is kept while loading fails', async () => {
  let loads = 0
  const load = staleWhileError({ lifetime: 0, patience: 60_000 }, async () => {
    if (++loads !== 2) return loads
    throw new Error('down')
  })
  assert.deepEqual([await load(), await load(), await load()], [1, 1, 1])
  assert.equal(loads, 2, 'and it is left in peace for a while')
})

test('nobody waits for a load that drags on: there is the last good value, or an error', async () => {
  const slow = Promise.withResolvers<string>()
  const answers = [slow.promise, Promise.resolve('first'), new Promise<string>(() => undefined)]
  const load = staleWhileError({ lifetime: 0, patience: 1 }, () => answers.shift()!)
  await assert.rejects(load(), /1 ms/)
  await assert.rejects(load(), /1 ms/)
  assert.equal(answers.length, 2, 'and loads once for all who ask')
  slow.reject(new Error('gave up'))
  await assert.rejects(slow.promise)
  assert.deepEqual([await load(), await load(), await load()], ['first', 'first', 'first'])
})

test('a read is sent again once when its kept connection breaks, a write never', async t => {
  const seen: string[] = []
  let breaking = false
  const { gateway } = await scriptedServer(t, (req: IncomingMessage, res: ServerResponse) => {
    seen.push(`${req.method} ${req.url}`)
    if (breaking) {
      breaking = req.method === 'POST'
      return void req.socket.destroy()
    }
    res.end(ok(user))
  })
  await gateway.profile(caller, token)
  breaking = true
  assert.equal((await gateway.profile(caller, token)).id, 1)
  breaking = true
  await assert.rejects(gateway.refresh(caller, refreshToken), { reason: 'gateway_down' })
  assert.deepEqual(seen, [...Array<string>(3).fill('GET /api/v1/user/profile'), 'POST /api/v1/auth/refresh'])
})

test('a gateway below a path is asked below it', async t => {
  const { url, requests } = await answering(t, [200, ok(user)])
  const gateway = createGateway({ upstream: `${url}/sub/` })
  t.after(() => gateway.close())
  await gateway.profile(caller, token)
  assert.equal(requests[0]!.req.url, '/sub/api/v1/user/profile')
})

async function refusalOf(gateway: Gateway): Promise<unknown> {
  return gateway.login(caller, { email: user.email, password }).then(
    () => assert.fail('it was accepted'),
    (error: unknown) => error,
  )
}
