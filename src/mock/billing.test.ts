import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import type { FaultInput } from './faults.ts'
import type { Group } from './groups.ts'
import { type MockGateway, startMockGateway } from './server.ts'
import type { UsageRow } from './usage-rows.ts'

// Figures measured at sub2api 0.1.179 with API-key accounts, in its own tables.
let mock: MockGateway
let reference: string
before(async () => {
  mock = await startMockGateway()
  const white = { create: { width: 1024, height: 1024, channels: 3 as const, background: '#fff' } }
  reference = `data:image/png;base64,${(await sharp(white).png().toBuffer()).toString('base64')}`
})
after(() => mock.close())

let number = 0
const priced = { image_price_1k: 0.04, image_price_2k: 0.06, image_price_4k: 0.12 }

/** Somebody new with a key of a group of their own. */
async function somebody(group: Partial<Group> = priced) {
  const email = `payer${++number}@example.com`
  const id = 1000 + number
  mock.state.groups.set(id, { ...mock.state.groups.get(10)!, flavour: 'api_key', ...group, id })
  const key = mock.control.addKey(email, { group_id: id })
  const token = await signIn(email)
  return { email, key, token, groupId: id }
}

async function signIn(email: string, password = 'x'): Promise<string> {
  return (await loginOf(email, password)).access_token
}

async function loginOf(
  email: string,
  password = 'x',
): Promise<Record<'access_token' | 'refresh_token' | 'temp_token', string>> {
  const answer = await send('POST', '/api/v1/auth/login', null, { email, password })
  return ((await answer.json()) as { data: Awaited<ReturnType<typeof loginOf>> }).data
}

function send(method: string, path: string, bearer: string | null, body?: unknown, signal?: AbortSignal) {
  return fetch(mock.url + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...(bearer && { Authorization: `Bearer ${bearer}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  })
}

interface Asked {
  size?: string
  n?: number
  format?: string
  edit?: boolean
  stream: boolean
}

/** One call and the rows that came of it. */
async function bill(
  who: { key: { id: number; key: string } },
  asked: Asked,
  fault: FaultInput = {},
): Promise<UsageRow[]> {
  const prompt = `call no. ${++number};`
  mock.control.fault({ ...fault, match: { prompt } })
  const { size = '1024x1024', n = 1, format = 'jpeg', edit = false, stream } = asked
  const body = { prompt, size, n, output_format: format, stream, ...(stream && { partial_images: 2 }) }
  const path = `/v1/images/${edit ? 'edits' : 'generations'}`
  const answer = await send(
    'POST',
    path,
    who.key.key,
    edit ? { ...body, images: [{ image_url: reference }] } : body,
  ).catch(() => null)
  await answer?.text().catch(() => '')
  const [call] = await mock.control.waitForCalls(1, { prompt })
  while (call!.endedAt === null) await new Promise(setImmediate)
  return mock.state.usage.filter(row => row.request_id === `client:${call!.requestId}`)
}

const total = (rows: UsageRow[]) => rows.reduce((sum, row) => sum + row.actual_cost, 0)

describe('what is billed, streamed and not', () => {
  const many = { input: 20, imageInput: 323, output: 4160 }
  const few = { input: 20, output: 1056 }
  const table: [
    what: string,
    asked: Omit<Asked, 'stream'>,
    fault: FaultInput,
    S: number,
    N: number,
    group?: Partial<Group>,
  ][] = [
    ['1024², png', { format: 'png' }, {}, 0.04, 0.04],
    ['1024², jpeg', {}, {}, 0.04, 0.04],
    ['1024², webp', { format: 'webp' }, {}, 0.04, 0.04],
    ['1536×1024', { size: '1536x1024' }, {}, 0.06, 0.06],
    ['2048²', { size: '2048x2048' }, {}, 0.06, 0.06],
    ['1600×1200', { size: '1600x1200' }, {}, 0.06, 0.06],
    ['4K', { size: '3840x2160' }, {}, 0.12, 0.12],
    ['four of 1024²', { n: 4 }, {}, 0.16, 0.16],
    ['three asked, one returned', { n: 3 }, { deliver: 1 }, 0.04, 0.04],
    ['auto that came as 1K', { size: 'auto' }, { size: '1024x1024' }, 0.04, 0.06],
    ['auto that came as 4K', { size: 'auto' }, { size: '3840x2160' }, 0.12, 0.06],
    ['1024² that came as 1536×1024', {}, { size: '1536x1024' }, 0.06, 0.06],
    ['an edit of many tokens', { edit: true }, { tokens: many }, 0.127484, 0.04],
    ['an edit of few tokens', { edit: true }, { tokens: few }, 0.03178, 0.04],
    [
      'an edit, two of 2K',
      { edit: true, size: '2048x2048', n: 2 },
      { tokens: { ...many, output: 12_480 } },
      0.377084,
      0.12,
    ],
    [
      'an edit in a group without prices, × 2.5',
      { edit: true },
      { tokens: few },
      0.07945,
      0.335,
      { rate_multiplier: 2.5 },
    ],
    ['nothing delivered', {}, { deliver: 0 }, 0, 0.04],
  ]
  for (const [what, asked, fault, streamed, whole, group] of table) {
    test(`${what}: ${streamed} streamed, ${whole} whole`, async () => {
      const who = await somebody(group)
      const rows = [
        await bill(who, { ...asked, stream: true }, fault),
        await bill(who, { ...asked, stream: false }, fault),
      ]
      assert.deepEqual(
        rows.map(total).map(usd => Number(usd.toFixed(9))),
        [streamed, whole],
      )
      const byTokens = Boolean(asked.edit)
      assert.deepEqual(
        rows.map(([row]) => row?.billing_mode),
        [byTokens ? 'token' : 'image', 'image'],
      )
    })
  }

  test('a rate of the user’s own multiplies, and is kept for 30 s', async () => {
    const who = await somebody()
    mock.control.user(who.email, { rates: { [who.groupId]: 2.5 } })
    assert.equal(total(await bill(who, { stream: false })), 0.1)
    mock.control.user(who.email, { rates: { [who.groupId]: 1 } })
    assert.equal(total(await bill(who, { stream: false })), 0.1)
    mock.state.rates.clear()
    assert.equal(total(await bill(who, { stream: false })), 0.04)
    assert.equal(mock.state.settings.rateCacheMs, 30_000)
  })

  test('a balance above zero is enough, and goes below it', async () => {
    const who = await somebody()
    mock.control.user(who.email, { balance: 0.01 })
    assert.equal(total(await bill(who, { stream: false })), 0.04)
    assert.equal(mock.control.user(who.email).balance, -0.03)
    assert.deepEqual(await bill(who, { stream: false }), [])
  })
})

describe('what is not billed', () => {
  for (const status of [400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504]) {
    test(`a refusal with ${status} before a picture`, async () => {
      const who = await somebody()
      for (const stream of [true, false]) {
        assert.deepEqual(await bill(who, { stream }, { error: { at: 'before_headers', status } }), [])
        assert.deepEqual(await bill(who, { stream }, { error: { at: 'before_completed', status } }), [], 'late')
      }
    })
  }

  test('an error or a clean end after previews: no row, or one of nothing', async () => {
    const who = await somebody()
    assert.equal(total(await bill(who, { stream: true }, { error: { at: 'after_partial' } })), 0)
    assert.equal(total(await bill(who, { stream: true }, { end: 'after_partial' })), 0)
  })

  test('one of three delivered before a break is', async () => {
    assert.equal(
      total(await bill(await somebody(), { n: 3, stream: true }, { error: { at: 'after_completed' } })),
      0.04,
    )
  })
})

describe('after the client has left', () => {
  test('the gateway goes on, and bills when its provider is done', async () => {
    const who = await somebody()
    const rowsOf = () => mock.state.usage.filter(row => row.api_key_id === who.key.id)
    for (const [path, body] of [
      ['/v1/images/generations', { prompt: 'leaving', size: '1024x1024' }],
      ['/v1/responses', { model: 'gpt-5.5', input: 'leaving', stream: true, instructions: 'x' }],
    ] as const) {
      const before = rowsOf().length
      const hold = mock.control.fault({ match: { path }, hold: 'before_completed' })
      const leaving = new AbortController()
      const left = send('POST', path, who.key.key, body, leaving.signal).then(answer => answer.text())
      await mock.control.waitForCalls(1, { path, state: 'held', email: who.email })
      leaving.abort()
      await assert.rejects(left)
      assert.equal(rowsOf().length, before)
      mock.control.release(hold)
      await mock.control.waitForCalls(1, { path, state: 'done', email: who.email })
      assert.equal(rowsOf().length, before + 1)
    }
  })

  test('a stream has no headers before the first event or comment, and a whole reply none before its end', async () => {
    const who = await somebody()
    for (const stream of [true, false]) {
      mock.control.fault({ match: { email: who.email }, hold: 'after_partial' })
      let isHere = false
      const body = { prompt: `no headers ${stream}`, size: '1024x1024', stream }
      const coming = send('POST', '/v1/images/generations', who.key.key, body).then(answer => {
        isHere = true
        return answer.text()
      })
      await mock.control.waitForCalls(1, { prompt: body.prompt, state: 'held' })
      await (await send('GET', '/health', null)).text()
      assert.equal(isHere, false)
      mock.control.release()
      await coming
    }
    mock.control.set({ commentEveryMs: 10 })
    mock.control.fault({ match: { email: who.email }, hold: 'before_completed' })
    const body = { prompt: 'a comment', size: '1024x1024', stream: true }
    const answer = await send('POST', '/v1/images/generations', who.key.key, body)
    assert.ok(answer.headers.get('x-client-request-id'))
    mock.control.release()
    assert.match(await answer.text(), /^:\n\n/)
    mock.control.set({ commentEveryMs: 10_000 })
  })
})

describe('when the gateway itself stops', () => {
  async function underWay(prompt: string) {
    const who = await somebody()
    const hold = mock.control.fault({ match: { prompt }, hold: 'before_completed' })
    const call = send('POST', '/v1/images/generations', who.key.key, { prompt, size: '1024x1024' }).catch(() => null)
    await mock.control.waitForCalls(1, { prompt, state: 'held' })
    const rows = () => mock.state.usage.filter(row => row.api_key_id === who.key.id).length
    return { call, rows, release: () => mock.control.release(hold) }
  }

  test('killed, it bills nothing of what was under way', async () => {
    const { call, rows, release } = await underWay('killed')
    await mock.goDown()
    release()
    await call
    await mock.comeBack()
    await mock.control.waitForCalls(1, { prompt: 'killed', state: 'done' })
    assert.equal(rows(), 0)
  })

  test('told to stop, it waits for the short calls and bills them, and not for the long ones', async () => {
    const short = await underWay('short')
    const stopping = mock.shutDown(20_000)
    short.release()
    assert.equal((await short.call)?.status, 200)
    await stopping
    await mock.comeBack()
    assert.equal(short.rows(), 1)
    const long = await underWay('long')
    await mock.shutDown(1)
    long.release()
    await long.call
    await mock.comeBack()
    await mock.control.waitForCalls(1, { prompt: 'long', state: 'done' })
    assert.equal(long.rows(), 0)
  })
})

describe('keys and accounts', () => {
  test('the usage of a deleted key is not found under it, but in the list of all', async () => {
    const who = await somebody()
    await bill(who, { stream: false })
    await send('DELETE', `/api/v1/keys/${who.key.id}`, who.token)
    const filtered = await send('GET', `/api/v1/usage?api_key_id=${who.key.id}`, who.token)
    assert.deepEqual([filtered.status, (await filtered.json()).reason], [404, 'API_KEY_NOT_FOUND'])
    const all = await (await send('GET', '/api/v1/usage', who.token)).json()
    assert.equal(all.data.items[0].api_key_id, who.key.id)
  })

  test('a key with a window says when it ends, and is refused until then', async () => {
    const who = await somebody()
    mock.control.key(who.key.id, { rate_limit_5h: 0.05 })
    const shown = async () => {
      const answer = await send('GET', `/api/v1/keys/${who.key.id}`, who.token)
      return ((await answer.json()) as { data: { reset_5h_at?: string; usage_5h: number } }).data
    }
    assert.equal((await shown()).reset_5h_at, undefined)
    await bill(who, { stream: false })
    const { reset_5h_at, usage_5h } = await shown()
    assert.ok(Date.parse(reset_5h_at ?? '') > Date.now() && usage_5h === 0.04)
    await bill(who, { stream: false })
    const refused = await send('POST', '/v1/images/generations', who.key.key, { prompt: 'x', size: '1024x1024' })
    assert.deepEqual([refused.status, (await refused.json()).error.message], [429, 'api key 5小时限额已用完'])
    mock.control.key(who.key.id, { window_5h_start: new Date(Date.now() - 6 * 3_600_000).toISOString() })
    assert.equal(total(await bill(who, { stream: false })), 0.04)
  })

  test('the address that a key allows is the one of the sign-in', async () => {
    const who = await somebody()
    mock.control.key(who.key.id, { ip_whitelist: ['203.0.113.9'] })
    const from = async (address: string) => {
      const headers = { Authorization: `Bearer ${who.key.key}`, 'X-Real-IP': address }
      return (await fetch(`${mock.url}/v1/models`, { headers })).status
    }
    assert.deepEqual([await from('203.0.113.9'), await from('203.0.113.10')], [200, 403])
  })

  test('five wrong codes block the user, whichever sign-in they came by', async () => {
    const email = '2fa+blocked@example.com'
    const tempToken = async () => (await loginOf(email)).temp_token
    const enter = async (temp_token: string, totp_code: string) =>
      (await send('POST', '/api/v1/auth/login/2fa', null, { temp_token, totp_code })).status
    for (let tries = 0; tries < 5; tries++) assert.equal(await enter(await tempToken(), '000000'), 400)
    assert.equal(await enter(await tempToken(), '123456'), 429)
    const { until } = [...mock.state.wrongCodes.values()][0]!
    assert.ok(until - Date.now() > 14 * 60_000)
  })

  test('a person may ask the panel 240 times a minute, and for usage 60 times', async () => {
    const who = await somebody()
    const minute = () => Math.floor(Date.now() / 60_000)
    const allowed = async (path: string, times: number) => {
      for (;;) {
        mock.state.limiterHits.clear()
        const began = minute()
        const answers = await Promise.all(Array.from({ length: times }, () => send('GET', path, who.token)))
        // Two windows let more through.
        if (minute() !== began) continue
        const refused = answers.find(answer => answer.status === 429)
        assert.ok(Number(refused?.headers.get('retry-after')) >= 1)
        assert.equal((await refused!.json()).code, 'RATE_LIMITED')
        return answers.filter(answer => answer.status === 200).length
      }
    }
    assert.equal(await allowed('/api/v1/usage', 61), 60)
    assert.equal(await allowed('/api/v1/groups/rates', 241), 240)
  })

  test('revoking all sessions takes the refresh tokens, and leaves the access tokens', async () => {
    const { email } = await somebody()
    const data = await loginOf(email)
    await send('POST', '/api/v1/auth/revoke-all-sessions', data.access_token)
    assert.equal((await send('GET', '/api/v1/user/profile', data.access_token)).status, 200)
    const refreshed = await send('POST', '/api/v1/auth/refresh', null, { refresh_token: data.refresh_token })
    assert.equal(refreshed.status, 401)
  })

  test('a group that maps some models lists these, and finds no other', async () => {
    const who = await somebody({ ...priced, models: ['gpt-5.5'] })
    const { data } = await (await send('GET', '/v1/models', who.key.key)).json()
    assert.deepEqual(
      data.map((model: { id: string }) => model.id),
      ['gpt-5.5'],
    )
    const refused = await send('POST', '/v1/images/generations', who.key.key, { prompt: 'x', size: '1024x1024' })
    assert.deepEqual([refused.status, (await refused.json()).error.type], [404, 'model_not_found'])
  })
})
