import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FaultInput } from '../mock/faults.ts'
import { type MockGateway, startMockGateway } from '../mock/server.ts'
import { Secret } from '../secrets/secret.ts'
import { caller, completedOf, request } from '../testing/scripted-server.ts'
import { type ApiKey, createGateway, type Gateway, type ImageEvent, type ImageOptions, type Tokens } from './client.ts'
import { type Charged, type FailureReason, GatewayError, PanelError } from './errors.ts'

let mock: MockGateway
let gateway: Gateway
before(async () => {
  mock = await startMockGateway()
  gateway = createGateway({ upstream: mock.url })
})
after(async () => {
  await gateway.close()
  await mock.close()
})

const password = new Secret('any password')
const png = '89504e47'

async function signIn(email: string): Promise<Tokens> {
  const login = await gateway.login(caller, { email, password })
  assert.ok(login.kind === 'signed_in')
  return login.tokens
}

async function firstKey(email: string): Promise<{ tokens: Tokens; key: ApiKey }> {
  const tokens = await signIn(email)
  const [key] = await gateway.listKeys(caller, tokens.accessToken)
  return { tokens, key: key! }
}

async function draw(key: Secret, options: Partial<ImageOptions> & { n?: number; fault?: FaultInput } = {}) {
  const { n, fault, ...rest } = options
  if (fault) mock.control.fault(fault)
  const events: ImageEvent[] = []
  try {
    const signal = new AbortController().signal
    const call = gateway.generateImage(
      caller,
      key,
      { ...request, n, size: '1024x1024' },
      { signal, stream: true, ...rest },
    )
    for await (const event of call) events.push(event)
    return { events, error: null }
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error))
    return { events, error }
  } finally {
    mock.control.clearFaults()
  }
}

test('a session: sign in, profile, refresh once, sign out', async () => {
  const tokens = await signIn('session@example.com')
  const user = await gateway.profile(caller, tokens.accessToken)
  assert.partialDeepStrictEqual(user, { email: 'session@example.com', balance: 12.5, isAdmin: false, status: 'active' })
  const renewed = await gateway.refresh(caller, tokens.refreshToken!)
  assert.notEqual(renewed.refreshToken!.reveal(), tokens.refreshToken!.reveal())
  await assert.rejects(gateway.refresh(caller, tokens.refreshToken!), { status: 401, code: 'REFRESH_TOKEN_INVALID' })
  await gateway.logout(caller, renewed.refreshToken!)
  await assert.rejects(gateway.refresh(caller, renewed.refreshToken!), PanelError)
  await gateway.profile(caller, renewed.accessToken)
  await gateway.revokeAllSessions(caller, renewed.accessToken)
  // Only the refresh tokens are gone.
  await gateway.profile(caller, renewed.accessToken)
})

test('an expired access token asks for a refresh', async () => {
  const { accessToken } = await signIn('late-riser@example.com')
  mock.control.expireAccessTokens('late-riser@example.com')
  await assert.rejects(gateway.profile(caller, accessToken), { status: 401, code: 'TOKEN_EXPIRED' })
})

test('the second factor is asked for and checked', async () => {
  const login = await gateway.login(caller, { email: '2fa@example.com', password })
  assert.ok(login.kind === 'two_factor')
  await assert.rejects(gateway.loginWithCode(caller, login.tempToken, '000000'), { code: 'TOTP_INVALID_CODE' })
  const { user } = await gateway.loginWithCode(caller, login.tempToken, '123456')
  assert.equal(user.email, '2fa@example.com')
  await assert.rejects(gateway.loginWithCode(caller, new Secret('nothing'), '123456'), { status: 400, code: '' })
})

test('who cannot sign in is told why', async () => {
  for (const [name, status, code] of [
    ['wrong', 401, 'INVALID_CREDENTIALS'],
    ['disabled', 403, 'USER_NOT_ACTIVE'],
    ['limited', 429, 'RATE_LIMITED'],
  ] as const) {
    await assert.rejects(gateway.login(caller, { email: `${name}@example.com`, password }), {
      name: 'PanelError',
      status,
      code,
    })
  }
})

test('settings, keys, groups, rates and models', async () => {
  assert.partialDeepStrictEqual(await gateway.settings(), { siteName: 'Sub2API (mock)', turnstileEnabled: false })
  const { accessToken } = await signIn('manygroups@example.com')
  const keys = await gateway.listKeys(caller, accessToken)
  assert.equal(keys.length, 6)
  assert.ok(keys.every(key => key.group && key.group.id === key.groupId && key.status === 'active'))
  const groups = await gateway.listGroups(caller, accessToken)
  assert.ok(
    groups.some(group => group.allowImageGeneration === false) && groups.some(group => group.platform !== 'openai'),
  )
  assert.deepEqual([...(await gateway.groupRates(caller, accessToken)).values()], [0.75])
  assert.ok((await gateway.listModels(caller, keys.find(key => key.name === 'OpenAI')!.key)).includes('gpt-image-2'))
  const statuses = await gateway.listKeys(caller, (await signIn('expired@example.com')).accessToken)
  assert.deepEqual(
    new Set(statuses.map(key => key.status)),
    new Set(['expired', 'quota_exhausted', 'inactive', 'active']),
  )
})

test('a key is made once for one idempotency key', async () => {
  const { accessToken } = await signIn('nokeys@example.com')
  const [group] = await gateway.listGroups(caller, accessToken)
  const wish = { name: 'Playground <1>', groupId: group!.id, idempotencyKey: 'wish-1' }
  const key = await gateway.createKey(caller, accessToken, wish)
  assert.equal((await gateway.createKey(caller, accessToken, wish)).id, key.id)
  assert.deepEqual(
    (await gateway.listKeys(caller, accessToken)).map(({ id, name }) => [id, name]),
    [[key.id, 'Playground <1>']],
  )
})

for (const flavour of ['oauth', 'api_key'] as const) {
  test(`pictures of an ${flavour} account, streamed and not, and what they cost`, async () => {
    const { tokens, key } = await firstKey(`painter-${flavour}@example.com`)
    for (const stream of [true, false]) {
      const { events, error } = await draw(key.key, { stream, n: 2, partialImages: 1, fault: { flavour } })
      assert.equal(error, null)
      const pictures = completedOf(events)
      assert.equal(pictures.length, 2)
      assert.ok(pictures.every(({ bytes }) => bytes.toString('hex', 0, 4) === png))
      assert.equal(
        events.some(({ type }) => type === 'partial'),
        stream,
      )
      const [accepted] = events
      assert.ok(accepted?.type === 'accepted' && accepted.requestId)
      const { rows } = await gateway.listUsage(caller, tokens.accessToken, { page: 1, size: 20 })
      const usage = rows.find(row => row.requestId === accepted.requestId)
      assert.equal(usage?.actualCost, 0.268)
    }
  })
}

const good: [string, FaultInput, number][] = [
  ['JSON for a stream', { as: 'json' }, 1],
  ['JSON labelled as a stream', { as: 'json_as_stream' }, 1],
  ['comments first', { comments: 5 }, 1],
  ['no event lines, and [DONE]', { eventLines: false, done: true, flavour: 'api_key' }, 1],
  ['a data URL', { url: 'data' }, 1],
  ['an address of the gateway', { url: 'http' }, 1],
  ['fewer pictures than asked for', { deliver: 1 }, 1],
  ['a cut after the last picture', { cut: 'before_end' }, 1],
]
for (const [what, fault, count] of good) {
  test(`pictures come through: ${what}`, async () => {
    const { key } = await firstKey('good@example.com')
    for (const stream of [true, false]) {
      if (!stream && 'cut' in fault) continue
      const { events, error } = await draw(key.key, { stream, n: what.startsWith('fewer') ? 2 : 1, fault })
      assert.equal(error, null)
      assert.equal(completedOf(events).length, count)
    }
  })
}

const bad: [string, FaultInput, FailureReason, Charged, boolean?][] = [
  ['a cut before the headers', { cut: 'before_headers' }, 'gateway_down', 'unknown'],
  ['a cut in a picture', { cut: 'mid_picture' }, 'gateway_down', 'unknown'],
  ['an end in a picture', { end: 'mid_picture' }, 'upstream', 'unknown', true],
  ['an end after a preview', { end: 'after_partial' }, 'upstream', 'unknown', true],
  ['an error before the headers', { error: { at: 'before_headers' } }, 'upstream', 'no'],
  ['an error as the first event', { error: { at: 'after_headers' } }, 'upstream', 'no', true],
  [
    'the handler’s error as the first event',
    { error: { at: 'after_headers', form: 'handler' } },
    'upstream',
    'no',
    true,
  ],
  ['an error after a picture', { error: { at: 'after_completed' } }, 'upstream', 'yes', true],
  ['an error behind blanks', { blanks: 3, error: { at: 'before_completed' } }, 'upstream', 'no', false],
  ['moderation', { reply: 'moderation' }, 'content_policy', 'no'],
  ['a proxy in between', { reply: 'proxy_502' }, 'gateway_down', 'unknown'],
  ['a proxy that waited too long', { reply: 'proxy_504' }, 'timeout', 'unknown'],
  ['too many at once', { reply: 'concurrency' }, 'concurrency', 'no'],
]
for (const [what, fault, reason, charged, only] of bad) {
  test(`${what} is ${reason}, charged: ${charged}`, async () => {
    const { key } = await firstKey('bad@example.com')
    for (const stream of only === undefined ? [true, false] : [only]) {
      const { error } = await draw(key.key, { stream, n: 2, partialImages: 1, fault })
      assert.deepEqual([error?.reason, error?.facts.charged], [reason, charged], `stream: ${stream}`)
    }
  })
}

test('what people’s keys are refused for', async () => {
  for (const [name, reason] of [
    ['broke', 'insufficient_balance'],
    ['noimages', 'group_no_images'],
    ['nogroup', 'group_no_images'],
    ['blocked', 'ip_denied'],
    ['late', 'insufficient_balance'],
  ] as const) {
    const { key } = await firstKey(`${name}@example.com`)
    const { error } = await draw(key.key)
    assert.deepEqual([error?.reason, error?.facts.charged], [reason, 'no'], name)
  }
  const { error } = await draw(new Secret('sk-not-a-key'))
  assert.equal(error?.reason, 'key_invalid')
  await assert.rejects(gateway.listModels(caller, new Secret('sk-not-a-key')), { reason: 'key_invalid' })
})
