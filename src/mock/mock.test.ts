import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { groupIds } from './groups.ts'
import { type MockGateway, startMockGateway } from './server.ts'

let mock: MockGateway
let people = 0

before(async () => {
  mock = await startMockGateway()
})
after(() => mock.close())

interface Reply {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, looked at field by field
  body: any
}

async function call(
  method: string,
  path: string,
  bearer?: string | null,
  body?: unknown,
  headers = {},
): Promise<Reply> {
  const isForm = body instanceof FormData
  const answer = await fetch(mock.url + path, {
    method,
    headers: {
      ...(bearer && { Authorization: `Bearer ${bearer}` }),
      ...(body !== undefined && !isForm && { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.includes('json')
  return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : null }
}

const login = (email: string, password = 'x', more = {}) =>
  call('POST', '/api/v1/auth/login', null, { email, password, ...more })

/** A new person, signed in, and the secret of one of their keys. */
async function person(act = 'someone', group?: number) {
  const email = `${act}+${++people}@example.com`
  const { body } = await login(email)
  const keys = mock.control.keysOf(email)
  const key = group ? mock.control.addKey(email, { group_id: group }) : keys[0]
  return { email, token: body.data.access_token as string, refresh: body.data.refresh_token as string, key }
}

const draw = (key: string | undefined, body: object, path = '/v1/images/generations') => call('POST', path, key, body)
const fast = { prompt: 'hills', size: '1024x1024', output_format: 'jpeg' }

interface WireEvent {
  type: string
  delta: string
  partial_image_index?: number
  response: { output: { type: string; content: { text: string }[] }[]; error: { code: string } }
}

function events(text: string): WireEvent[] {
  return text
    .split('\n')
    .filter(line => line.startsWith('data: {'))
    .map(line => JSON.parse(line.slice(6)) as WireEvent)
}

describe('the server', () => {
  test('answers health, set-up and settings, and text for what it does not know', async () => {
    assert.deepEqual((await call('GET', '/health')).body, { status: 'ok' })
    assert.deepEqual((await call('GET', '/setup/status')).body, {
      code: 0,
      data: { needs_setup: false, step: 'completed' },
    })
    const settings = await call('GET', '/api/v1/settings/public')
    assert.equal(settings.body.data.version, '0.1.179')
    assert.equal(settings.headers.get('access-control-allow-origin'), null)
    const unknown = await call('GET', '/api/v1/nothing')
    assert.deepEqual([unknown.status, unknown.text], [404, '404 page not found'])
    assert.match(unknown.headers.get('content-type') ?? '', /text\/plain/)
    const preflight = await call('OPTIONS', '/v1/models', null, undefined, { Origin: 'https://elsewhere.example' })
    assert.equal(preflight.status, 403)
    assert.equal(
      (await call('GET', '/health', null, undefined, { 'X-Request-ID': 'mine-1' })).headers.get('x-request-id'),
      'mine-1',
    )
    assert.match((await call('GET', '/')).text, /2fa@example\.com/)
  })
})

describe('signing in', () => {
  const refusals: [what: string, email: string, password: string, status: number, reason: string | undefined][] = [
    ['no e-mail', 'nobody', 'x', 400, undefined],
    ['the password "wrong"', 'a@example.com', 'wrong', 401, 'INVALID_CREDENTIALS'],
    ['wrong@', 'wrong@example.com', 'x', 401, 'INVALID_CREDENTIALS'],
    ['disabled@', 'disabled@example.com', 'x', 403, 'USER_NOT_ACTIVE'],
    ['limited@', 'limited@example.com', 'x', 429, undefined],
  ]
  for (const [what, email, password, status, reason] of refusals) {
    test(`is refused for ${what}`, async () => {
      const answer = await login(email, password)
      assert.deepEqual([answer.status, answer.body.reason], [status, reason])
      if (status === 429) {
        assert.equal(answer.headers.get('retry-after'), '42')
        assert.equal(answer.body.error, 'rate limit exceeded')
      }
    })
  }

  test('asks 2fa@ for a code, and a wrong code may be tried again', async () => {
    const first = await login('2fa@example.com')
    const { temp_token, requires_2fa, user_email_masked, access_token } = first.body.data
    assert.deepEqual([requires_2fa, user_email_masked, access_token], [true, '2***a@example.com', undefined])
    const second = (totp_code: string) => call('POST', '/api/v1/auth/login/2fa', null, { temp_token, totp_code })
    assert.equal((await second('000000')).body.reason, 'TOTP_INVALID_CODE')
    assert.match((await second('123456')).body.data.refresh_token, /^rt_[0-9a-f]{64}$/)
    assert.equal((await second('123456')).body.message, 'Invalid or expired 2FA session')
  })

  test('rotates refresh tokens, and the old one is dead', async () => {
    const { refresh } = await person()
    const again = (token: string) => call('POST', '/api/v1/auth/refresh', null, { refresh_token: token })
    const [one, two] = await Promise.all([again(refresh), again(refresh)])
    assert.deepEqual(
      [one.status, two.status].toSorted((a, b) => a - b),
      [200, 401],
    )
    const [won, lost] = one.status === 200 ? [one, two] : [two, one]
    assert.equal(lost.body.reason, 'REFRESH_TOKEN_INVALID')
    assert.equal(won.body.data.user, undefined)
    assert.equal((await again(won.body.data.refresh_token)).status, 200)
  })

  test('knows expired, revoked and foreign access tokens, and logout leaves them good', async () => {
    const { email, token, refresh, key } = await person()
    const profile = () => call('GET', '/api/v1/user/profile', token)
    await call('POST', '/api/v1/auth/logout', null, { refresh_token: refresh })
    assert.equal((await profile()).status, 200)
    mock.control.expireAccessTokens(email)
    assert.deepEqual((await profile()).body, { code: 'TOKEN_EXPIRED', message: 'Token has expired' })
    const fresh = (await login(email)).body.data.access_token
    assert.equal((await call('GET', '/api/v1/auth/me', fresh)).status, 200)
    mock.control.user(email).tokenVersion++
    assert.equal((await call('GET', '/api/v1/auth/me', fresh)).body.code, 'TOKEN_REVOKED')
    assert.equal((await call('GET', '/api/v1/auth/me')).body.code, 'UNAUTHORIZED')
    assert.equal((await call('GET', '/api/v1/auth/me', key?.key)).body.code, 'INVALID_TOKEN')
  })

  test('issues tokens that end when the settings say', async () => {
    mock.control.set({ accessTokenSeconds: -1 })
    const { token } = await person()
    mock.control.set({ accessTokenSeconds: 86_400 })
    assert.equal((await call('GET', '/api/v1/auth/me', token)).body.code, 'TOKEN_EXPIRED')
  })

  test('demands a captcha, a bound session and patience when the site does', async () => {
    mock.control.set({ site: { turnstile_enabled: true, turnstile_site_key: 'site' } })
    const reasons = []
    for (const token of [undefined, 'one', 'one'])
      reasons.push((await login('c@example.com', 'x', { turnstile_token: token })).body.reason)
    assert.deepEqual(reasons, ['TURNSTILE_VERIFICATION_FAILED', undefined, 'TURNSTILE_VERIFICATION_FAILED'])
    mock.control.set({ site: { turnstile_enabled: false } })

    mock.control.set({ sessionBinding: true })
    const { token } = await person()
    const moved = await call('GET', '/api/v1/auth/me', token, undefined, { 'X-Real-IP': '198.51.100.9' })
    assert.equal(moved.body.code, 'SESSION_BINDING_MISMATCH')
    mock.control.set({ sessionBinding: false })

    mock.control.set({ rateLimits: true, loginsPerMinute: 1 })
    const from = { 'X-Real-IP': '198.51.100.10' }
    const tries = [1, 2, 3].map(() =>
      call('POST', '/api/v1/auth/login', null, { email: 'd@example.com', password: 'x' }, from),
    )
    const limited = (await Promise.all(tries)).find(answer => answer.status === 429)
    assert.match(limited?.headers.get('retry-after') ?? '', /^\d+$/)
    mock.control.set({ rateLimits: false, loginsPerMinute: 20 })
  })
})

describe('the panel', () => {
  test('lists keys with their group, and creates them with 200 and without it', async () => {
    const { token } = await person('nokeys')
    const empty = await call('GET', '/api/v1/keys', token)
    assert.deepEqual(empty.body.data, { items: [], total: 0, page: 1, page_size: 20, pages: 1 })
    const groups = await call('GET', '/api/v1/groups/available', token)
    assert.deepEqual(
      groups.body.data.map((group: { id: number }) => group.id),
      [groupIds.openai],
    )
    assert.equal(groups.body.data[0].flavour, undefined)
    const once = { 'Idempotency-Key': 'k1' }
    const wish = { name: 'A <b>', group_id: groupIds.openai }
    const made = await call('POST', '/api/v1/keys', token, wish, once)
    assert.equal(made.status, 200)
    assert.match(made.body.data.key, /^sk-[0-9a-f]{64}$/)
    assert.deepEqual(
      [made.body.data.group, made.body.data.ip_whitelist, made.body.data.name],
      [undefined, null, 'A &lt;b&gt;'],
    )
    const replay = await call('POST', '/api/v1/keys', token, wish, once)
    assert.deepEqual([replay.body.data.id, replay.headers.get('x-idempotency-replayed')], [made.body.data.id, 'true'])
    assert.equal(
      (await call('POST', '/api/v1/keys', token, { name: 'B' }, once)).body.reason,
      'IDEMPOTENCY_KEY_CONFLICT',
    )
    const listed = (await call('GET', '/api/v1/keys', token)).body.data.items
    assert.deepEqual([listed.length, listed[0].group.name], [1, 'OpenAI'])
    const path = `/api/v1/keys/${made.body.data.id}`
    assert.equal((await call('PUT', path, token, { status: 'inactive' })).body.data.status, 'inactive')
    const charlie = await person()
    assert.equal((await call('GET', path, charlie.token)).status, 404)
    assert.equal((await call('DELETE', path, charlie.token)).body.reason, 'INSUFFICIENT_PERMISSIONS')
    assert.equal((await call('DELETE', path, token)).body.data.message, 'API key deleted successfully')
    const forbidden = await call('POST', '/api/v1/keys', token, { name: 'C', group_id: groupIds.studio })
    assert.equal(forbidden.body.reason, 'GROUP_NOT_ALLOWED')
  })

  test('pages, and answers rates only where there are some', async () => {
    const { token } = await person('manygroups')
    const page = (await call('GET', '/api/v1/keys?page=2&page_size=4', token)).body.data
    assert.deepEqual([page.items.length, page.total, page.pages], [2, 6, 2])
    assert.deepEqual((await call('GET', '/api/v1/groups/rates', token)).body.data, { [groupIds.openai]: 0.75 })
    const other = await person()
    assert.deepEqual((await call('GET', '/api/v1/groups/rates', other.token)).body, { code: 0, message: 'success' })
  })
})

describe('the key check', () => {
  test('takes the key from three headers and refuses the rest by name', async () => {
    const { key, token } = await person()
    for (const header of ['Authorization', 'x-api-key', 'x-goog-api-key']) {
      const value = header === 'Authorization' ? `bearer ${key?.key}` : (key?.key ?? '')
      assert.equal((await call('GET', '/v1/models', null, undefined, { [header]: value })).status, 200)
    }
    assert.equal((await call('GET', '/v1/models')).body.code, 'API_KEY_REQUIRED')
    assert.equal((await call('GET', '/v1/models', token)).body.code, 'INVALID_API_KEY')
    assert.equal((await call('GET', '/v1/models?key=x')).body.code, 'api_key_in_query_deprecated')
  })

  const people: [act: string, status: number, code: string, type?: string][] = [
    ['broke', 403, 'INSUFFICIENT_BALANCE'],
    ['late', 403, '', 'billing_error'],
    ['blocked', 403, 'ACCESS_DENIED'],
    ['nogroup', 403, '', 'permission_error'],
    ['noimages', 403, '', 'permission_error'],
  ]
  for (const [act, status, code, type] of people) {
    test(`refuses ${act}@ with ${code || type}`, async () => {
      const { key } = await person(act)
      const answer = await draw(key?.key, fast)
      assert.equal(answer.status, status)
      assert.equal(answer.body.code ?? '', code)
      assert.equal(answer.body.error?.type, type)
      assert.match(answer.headers.get('x-client-request-id') ?? '', /^[0-9a-f-]{36}$/)
    })
  }

  test('knows expired, exhausted and inactive keys, and names an exhausted one in two ways', async () => {
    const { email } = await person('expired')
    const codes = []
    for (const key of mock.control.keysOf(email)) codes.push((await draw(key.key, fast)).body.code ?? 'fine')
    assert.deepEqual(codes, ['API_KEY_EXPIRED', 'API_KEY_QUOTA_EXHAUSTED', 'API_KEY_DISABLED', 'fine'])
    const exhausted = mock.control.keysOf(email)[1]
    const answer = await call('POST', '/v1/responses', exhausted?.key, { model: 'gpt-5.5', input: 'hi' })
    assert.deepEqual([answer.status, answer.body.error.code], [429, 'insufficient_quota'])
    assert.equal((await call('GET', '/v1/usage', exhausted?.key)).body.mode, 'quota_limited')
  })

  test('answers 404 on a platform without pictures', async () => {
    const { key } = await person('someone', groupIds.claude)
    const answer = await draw(key?.key, fast)
    assert.deepEqual([answer.status, answer.body.error.type], [404, 'not_found_error'])
  })
})

describe('pictures', () => {
  test('come as JSON in the size and format asked for, and are charged once', async () => {
    const { key, token, email } = await person()
    const answer = await draw(key?.key, { ...fast, size: '1536x1024', n: 2, output_format: 'webp' })
    const { data, size, output_format, model, usage } = answer.body
    assert.deepEqual([size, output_format, model, data.length], ['1536x1024', 'webp', 'gpt-image-2', 2])
    assert.equal(usage.output_tokens, 1372 * 2)
    const shape = await sharp(Buffer.from(data[0].b64_json, 'base64')).metadata()
    assert.deepEqual([shape.format, shape.width, shape.height], ['webp', 1536, 1024])
    assert.notEqual(data[0].b64_json, data[1].b64_json)
    assert.equal(mock.control.user(email).balance, 12.098)
    const rows = (await call('GET', `/api/v1/usage?api_key_id=${key?.id}`, token)).body.data.items
    assert.equal(rows[0].request_id, `client:${answer.headers.get('x-client-request-id')}`)
    assert.deepEqual([rows[0].actual_cost, rows[0].image_count, rows[0].image_size], [0.402, 2, '2K'])
    assert.equal(rows[0].api_key.key, key?.key)
  })

  test('cost what the group, its multiplier and the tier say', async () => {
    const costs: [group: number, size: string, stream: boolean, usd: number][] = [
      [groupIds.openai, '1024x1024', false, 0.134 * 0.75],
      [groupIds.openai, 'auto', false, 0.134 * 0.75],
      [groupIds.studio, '1024x1024', false, 0.1 * 0.8],
      [groupIds.studio, 'auto', false, 0.15 * 0.8],
      [groupIds.studio, 'auto', true, 0.1 * 0.8],
      [groupIds.halfPrice, '2048x1152', false, 0.201 / 2],
      [groupIds.plan, '1024x1024', false, 0.134],
    ]
    const { email } = await person('manygroups')
    for (const [group, size, stream, usd] of costs) {
      const key = mock.control.keysOf(email).find(each => each.group_id === group)
      await draw(key?.key, { ...fast, size, stream })
      const billed = mock.control.calls({ apiKeyId: key?.id ?? 0 }).at(-1)?.billed
      assert.ok(Math.abs((billed ?? 0) - usd) < 1e-9, `${group} ${size} ${stream}: ${billed}`)
    }
  })

  test('stream as previews and one completed event each, with event lines and without an end mark', async () => {
    const { key } = await person()
    const answer = await draw(key?.key, { ...fast, n: 2, stream: true, partial_images: 2 })
    assert.equal(answer.headers.get('content-type'), 'text/event-stream')
    const names = events(answer.text).map(event => `${event.type} ${event.partial_image_index ?? ''}`)
    const one = ['image_generation.partial_image 0', 'image_generation.partial_image 1', 'image_generation.completed ']
    assert.deepEqual(names, [...one, ...one])
    assert.match(answer.text, /^event: image_generation\.partial_image\n/)
    assert.doesNotMatch(answer.text, /\[DONE\]|revised_prompt/)
    assert.match(answer.headers.get('x-request-id') ?? '', /, req_/)
  })

  test('of an API-key account come verbatim: no event lines, [DONE], strict parameters', async () => {
    const { key } = await person('someone', groupIds.studio)
    const answer = await draw(key?.key, { ...fast, stream: true })
    assert.deepEqual([/^event:/m.test(answer.text), /data: \[DONE\]/.test(answer.text)], [false, true])
    assert.equal((await draw(key?.key, { ...fast, response_format: 'b64_json' })).body.error.param, 'response_format')
  })

  test('are refused by the gateway and by the upstream in their own words', async () => {
    const { key } = await person()
    const wrong: [body: object, status: number, message: RegExp][] = [
      [{ ...fast, n: 0 }, 400, /n must be greater than 0/],
      [{ ...fast, n: '2' }, 400, /invalid n field type/],
      [{ ...fast, stream: 'true' }, 400, /invalid stream field type/],
      [{ ...fast, model: 'gpt-5.5' }, 400, /requires an image model/],
      [{ ...fast, size: '1000x1000' }, 400, /divisible by 16/],
      [{ ...fast, background: 'transparent' }, 400, /Transparent background/],
      [{ ...fast, prompt: '' }, 502, /Upstream request failed/],
    ]
    for (const [body, status, message] of wrong) {
      const answer = await draw(key?.key, body)
      assert.equal(answer.status, status)
      assert.match(answer.body.error.message, message)
    }
    assert.equal(
      mock.control.calls({ apiKeyId: key?.id ?? 0 }).every(each => each.billed === 0),
      true,
    )
  })

  test('are edited from files or data URLs, and a mask keeps the rest', async () => {
    const { key } = await person()
    const size = { width: 1024, height: 1024 }
    const red = await sharp({ create: { ...size, channels: 3, background: '#c02020' } })
      .png()
      .toBuffer()
    const half = await sharp({ create: { width: 1024, height: 512, channels: 4, background: '#000000ff' } })
      .extend({ bottom: 512, background: '#00000000' })
      .png()
      .toBuffer()
    const form = new FormData()
    form.set('prompt', 'make it blue')
    form.set('size', '1024x1024')
    form.append('image[]', new Blob([new Uint8Array(red)], { type: 'image/png' }), 'red.png')
    form.append('mask', new Blob([new Uint8Array(half)], { type: 'image/png' }), 'mask.png')
    const answer = await call('POST', '/v1/images/edits', key?.key, form)
    const { data, info } = await sharp(Buffer.from(answer.body.data[0].b64_json, 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true })
    const pixel = (y: number) => [...data.subarray((y * info.width + 900) * info.channels).subarray(0, 3)]
    assert.deepEqual(pixel(100), [0xc0, 0x20, 0x20])
    assert.notDeepEqual(pixel(900), [0xc0, 0x20, 0x20])
    const record = mock.control.calls({ prompt: 'make it blue' })[0]
    assert.deepEqual([record?.inputs, record?.hasMask], [1, true])

    const images = [{ image_url: `data:image/png;base64,${red.toString('base64')}` }]
    const streamed = await draw(key?.key, { ...fast, images, stream: true }, '/v1/images/edits')
    assert.deepEqual(
      events(streamed.text).map(event => event.type),
      ['image_edit.completed'],
    )
    assert.equal((await draw(key?.key, fast, '/v1/images/edits')).body.error.message, 'images[].image_url is required')
  })
})

describe('misbehaviour', () => {
  test('answers verbatim, or by the name of a known refusal, for the calls that match', async () => {
    const { key } = await person()
    mock.control.fault({
      match: { prompt: 'odd' },
      reply: { status: 418, headers: { 'Retry-After': '7' }, body: { a: 1 } },
    })
    mock.control.fault({ match: { prompt: 'full' }, reply: 'no_accounts', times: 2 })
    assert.equal((await draw(key?.key, fast)).status, 200)
    const odd = await draw(key?.key, { ...fast, prompt: 'odd' })
    assert.deepEqual([odd.status, odd.headers.get('retry-after'), odd.body], [418, '7', { a: 1 }])
    const full = [1, 2, 3].map(() => draw(key?.key, { ...fast, prompt: 'full' }))
    assert.deepEqual(
      (await Promise.all(full)).map(answer => answer.status).toSorted((a, b) => a - b),
      [200, 503, 503],
    )
  })

  test('holds a call until it is released, and tells when it has come', async () => {
    const { key, email } = await person()
    const id = mock.control.fault({ match: { email }, hold: 'before_completed' })
    const drawing = draw(key?.key, { ...fast, stream: true, partial_images: 1 })
    const [held] = await mock.control.waitForCalls(1, { email, state: 'held' })
    assert.equal(held?.billed, 0)
    mock.control.release(id)
    assert.equal(events((await drawing).text).at(-1)?.type, 'image_generation.completed')
    await mock.control.waitForCalls(1, { email, state: 'done' })
  })

  test('charges what was delivered before a failure, and nothing before that', async () => {
    const failures: [fault: object, images: number, last: string][] = [
      [{ error: { at: 'after_partial', form: 'handler' } }, 0, '{"error":{"type":"upstream_error"'],
      [{ error: { at: 'after_completed' } }, 1, '{"type":"error","error":{'],
      [{ end: 'before_completed' }, 0, '{"type":"image_generation.partial_image"'],
    ]
    for (const [fault, images, last] of failures) {
      const { key, email } = await person()
      mock.control.fault({ match: { email }, ...fault })
      const answer = await draw(key?.key, { ...fast, n: 2, stream: true, partial_images: 1 })
      const line = answer.text.split('\n').findLast(each => each.startsWith('data: ')) ?? ''
      assert.ok(line.startsWith(`data: ${last}`), line.slice(0, 90))
      const [record] = await mock.control.waitForCalls(1, { email, state: 'failed' })
      assert.equal(record?.images, images)
    }
    const { key, email } = await person()
    mock.control.fault({ match: { email }, error: { at: 'after_completed' } })
    assert.equal((await draw(key?.key, fast)).status, 502)
    assert.equal(mock.control.calls({ email })[0]?.images, 0)
  })

  test('cuts the connection, finishes all the same and charges for it', async () => {
    for (const [cut, stream] of [
      ['before_headers', true],
      ['mid_picture', true],
      ['mid_picture', false],
    ] as const) {
      const { key, email } = await person()
      mock.control.fault({ match: { email }, cut })
      await assert.rejects(draw(key?.key, { ...fast, stream }), TypeError)
      const [record] = await mock.control.waitForCalls(1, { email, state: 'done' })
      assert.deepEqual([record?.clientGone, record?.images], [true, 1])
    }
  })

  test('charges a client that goes away', async () => {
    const { key, email } = await person()
    mock.control.fault({ match: { email }, hold: 'before_completed' })
    const leaving = new AbortController()
    const gone = fetch(`${mock.url}/v1/images/generations`, {
      method: 'POST',
      headers: { 'x-api-key': key?.key ?? '', 'Content-Type': 'application/json' },
      body: JSON.stringify(fast),
      signal: leaving.signal,
    })
    await mock.control.waitForCalls(1, { email, state: 'held' })
    leaving.abort()
    await assert.rejects(gone)
    mock.control.release()
    const [record] = await mock.control.waitForCalls(1, { email, state: 'done' })
    assert.equal(record?.billed, 0.134)
    assert.equal(mock.control.user(email).balance, 12.366)
  })

  test('sends blanks, comments, JSON for a stream, errors with 200, links and broken pictures', async () => {
    const { key, email } = await person()
    const next = (fault: object, body: object = fast) => {
      mock.control.fault({ match: { email }, ...fault })
      return draw(key?.key, body)
    }
    const streamed = { ...fast, stream: true }
    assert.match((await next({ blanks: 3 })).text, /^( \n){3}\{"created"/)
    const late = await next({ blanks: 0, error: { at: 'before_completed' } })
    assert.deepEqual([late.status, late.body.error.type], [200, 'upstream_error'])
    assert.match((await next({ comments: 2 }, streamed)).text, /^(:\n\n){2}event:/)
    assert.equal((await next({ as: 'json' }, streamed)).body.data.length, 1)
    const mislabelled = await next({ as: 'json_as_stream' }, streamed)
    assert.equal(mislabelled.headers.get('content-type'), 'text/event-stream')
    assert.equal(JSON.parse(mislabelled.text).data.length, 1)
    assert.equal((await next({ deliver: 3 })).body.data.length, 3)
    assert.equal((await next({ size: '1280x1024' })).body.size, '1280x1024')
    assert.match((await next({ url: 'data' })).body.data[0].url, /^data:image\/jpeg;base64,/)
    const { url } = (await next({ url: 'http' })).body.data[0]
    assert.equal((await fetch(url)).headers.get('content-type'), 'image/jpeg')
    assert.equal((await next({ noClientRequestId: true })).headers.get('x-client-request-id'), null)
    assert.equal((await next({ picture: 'garbage_base64' })).body.data[0].b64_json, '!!this is not base64!!')
    const escaped = Buffer.from((await next({ picture: 'escaped' })).body.data[0].b64_json, 'base64')
    assert.equal((await sharp(escaped).metadata()).width, 1024)
    const bomb = Buffer.from((await next({ picture: 'bomb' })).body.data[0].b64_json, 'base64')
    assert.equal((await sharp(bomb, { limitInputPixels: false }).metadata()).width, 20_000)
    await next({ noUsage: true })
    const last = mock.control.calls({ email }).at(-1)
    assert.equal(
      mock.state.usage.some(row => row.request_id === `client:${last?.requestId}`),
      false,
    )
  })

  test('can be asked for in a prompt', async () => {
    const { key } = await person()
    const answer = await draw(key?.key, { ...fast, prompt: 'a cat #fail-policy' })
    assert.deepEqual([answer.status, answer.body.error.code], [400, 'moderation_blocked'])
  })

  test('refuses a body that is too large before reading it', async () => {
    const { key } = await person()
    mock.control.set({ bodyLimitBytes: 1000 })
    const answer = await draw(key?.key, { ...fast, prompt: 'x'.repeat(2000) })
    mock.control.set({ bodyLimitBytes: 1e9 })
    assert.equal(answer.status, 413)
  })
})

describe('slots', () => {
  test('make calls above the user’s number wait, with an open stream, and then refuse them in it', async () => {
    const { key, email } = await person('busy')
    mock.control.set({ commentEveryMs: 1 })
    mock.control.fault({ match: { email }, hold: 'before_completed' })
    const first = draw(key?.key, fast)
    await mock.control.waitForCalls(1, { email, state: 'held' })
    const second = draw(key?.key, fast)
    await mock.control.waitForCalls(1, { email, state: 'queued' })
    mock.control.set({ slotWaitMs: 50 })
    const third = await draw(key?.key, { ...fast, stream: true })
    mock.control.set({ slotWaitMs: 30_000, commentEveryMs: 10_000 })
    assert.equal(third.headers.get('x-accel-buffering'), 'no')
    assert.match(
      third.text,
      /^:\n\n[\s\S]*event: error\ndata: \{"error":\{"type":"rate_limit_error","message":"Concurrency limit/,
    )
    mock.control.release()
    assert.deepEqual([(await first).status, (await second).status], [200, 200])
  })
})

describe('responses', () => {
  const tools = [
    {
      type: 'function',
      name: 'generate_image',
      parameters: { type: 'object', properties: { prompt: { type: 'string' }, n: { type: 'integer' } } },
    },
  ]
  const request = { model: 'gpt-5.5', instructions: 'Be brief.', input: 'What is light?' }
  const ask = (key: string | undefined, body: object) => call('POST', '/v1/responses', key, { ...request, ...body })

  test('write a text in deltas that add up to the finished item', async () => {
    const { key, email } = await person()
    const answer = await ask(key?.key, { stream: true, reasoning: { summary: 'auto' } })
    const all = events(answer.text)
    const deltas = all.filter(event => event.type === 'response.output_text.delta').map(event => event.delta)
    const { type, response } = all.at(-1) as WireEvent
    assert.equal(type, 'response.completed')
    assert.deepEqual(
      response.output.map(item => item.type),
      ['reasoning', 'message'],
    )
    assert.equal(deltas.join(''), response.output[1]?.content[0]?.text)
    assert.match(deltas.join(''), /What is light\?/)
    assert.ok(deltas.length > 5)
    assert.ok((mock.control.calls({ email })[0]?.billed ?? 0) > 0)
    const whole = await ask(key?.key, {})
    assert.deepEqual([whole.body.status, whole.body.output.length], ['completed', 1])
  })

  test('call a function when a picture is asked for, and take its output', async () => {
    const { key } = await person()
    const first = await ask(key?.key, { input: 'Draw a red fox', tools })
    const item = first.body.output[0]
    assert.deepEqual(
      [item.type, item.name, JSON.parse(item.arguments)],
      ['function_call', 'generate_image', { prompt: 'a red fox', n: 1 }],
    )
    const output = { type: 'function_call_output', call_id: item.call_id, output: '{"ok":true}' }
    const input = [{ role: 'user', content: 'Draw a red fox' }, item, output]
    assert.match((await ask(key?.key, { input, tools })).body.output[0].content[0].text, /Here it is/)
    assert.match((await ask(key?.key, { input: [output], tools })).body.error.message, /requires item_reference ids/)
    assert.equal((await ask(key?.key, { input: 'Why is the sky blue?', tools })).body.output[0].type, 'message')
  })

  test('show when the caller forgot its instructions, and refuse another response’s id', async () => {
    const { key } = await person()
    assert.match((await ask(key?.key, { instructions: ' ' })).text, /Codex/)
    assert.equal((await ask(key?.key, { previous_response_id: 'resp_1' })).status, 400)
  })

  test('draw with their own tool where the group allows it', async () => {
    const { key } = await person()
    const own = { input: 'draw hills', tools: [{ type: 'image_generation', partial_images: 1 }], stream: true }
    const types = events((await ask(key?.key, own)).text).map(event => event.type)
    assert.ok(types.includes('response.image_generation_call.partial_image'))
    const poor = await person('noimages')
    assert.equal((await ask(poor.key?.key, own)).body.error.type, 'permission_error')
  })

  test('fail in both forms, end early, and leave out lines', async () => {
    const { key, email } = await person()
    const next = (fault: object) => {
      mock.control.fault({ match: { email }, ...fault })
      return ask(key?.key, { stream: true })
    }
    const failed = events((await next({ error: { at: 'after_partial', type: 'rate_limit_error' } })).text).at(-1)
    assert.deepEqual([failed?.type, failed?.response.error.code], ['response.failed', 'rate_limit_exceeded'])
    assert.equal(events((await next({ error: { at: 'after_partial', form: 'handler' } })).text).at(-1)?.type, 'error')
    assert.equal(events((await next({ end: 'mid_picture' })).text).at(-1)?.type, 'response.output_text.delta')
    const bare = await next({ eventLines: false, done: true })
    assert.deepEqual([/^event:/m.test(bare.text), bare.text.endsWith('data: [DONE]\n\n')], [false, true])
    assert.equal(
      events((await next({ answer: 'Exactly this.' })).text).at(-1)?.response.output[0]?.content[0]?.text,
      'Exactly this.',
    )
  })
})

describe('the control route', () => {
  test('steers the mock over HTTP, but not for browsers', async () => {
    const email = `far+${++people}@example.com`
    await call('POST', '/__mock/user', null, { email, balance: 1 })
    const [key] = mock.control.keysOf(email)
    const { body } = await call('POST', '/__mock/faults', null, { match: { email }, hold: 'before_headers' })
    const drawing = draw(key?.key, fast)
    const waited = await call('POST', '/__mock/wait', null, { count: 1, email, state: 'held' })
    assert.equal(waited.body[0].prompt, 'hills')
    await call('POST', '/__mock/release', null, { id: body.id })
    assert.equal((await drawing).status, 200)
    assert.equal((await call('GET', `/__mock/calls?email=${encodeURIComponent(email)}`)).body[0].state, 'done')
    assert.equal((await call('POST', '/__mock/faults', null, { hodl: 1 })).status, 400)
    const fromPage = await call('GET', '/__mock/secrets', null, undefined, { Origin: 'https://elsewhere.example' })
    assert.equal(fromPage.status, 403)
  })

  test('lists every secret, and the ledger none', async () => {
    const { token, refresh, key } = await person()
    await login('secretive@example.com', 'a very long password')
    await draw(key?.key, fast)
    const secrets: string[] = (await call('GET', '/__mock/secrets')).body
    for (const secret of [token, refresh, key?.key, 'a very long password']) assert.ok(secrets.includes(secret ?? ''))
    const ledger = (await call('GET', '/__mock/calls')).text + (await call('GET', '/__mock/panel-calls')).text
    for (const secret of secrets.filter(each => each.length > 16)) assert.equal(ledger.includes(secret), false)
  })

  test('remembers from where the panel was called', async () => {
    const from = { 'X-Real-IP': '198.51.100.20', 'User-Agent': 'somebody/1' }
    await call('GET', '/api/v1/settings/public', null, undefined, from)
    const seen = mock.control.panelCalls({ path: '/api/v1/settings/public' }).at(-1)
    assert.deepEqual([seen?.ip, seen?.userAgent, seen?.forwarded], ['198.51.100.20', 'somebody/1', ['x-real-ip']])
  })
})
