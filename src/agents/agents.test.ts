import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import sharp from 'sharp'
import { z } from 'zod'
import { blobOf, boundKey } from '../testing/agents.ts'
import { jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { tookSoLong } from '../testing/receipts.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { type SshPair, sshKeygen } from '../testing/ssh.ts'
import { PROOF_NAMESPACE } from './proof.ts'

const API = '/api/playground/ssh'
const run = promisify(execFile)
let app: TestApp

before(async () => {
  app = await testApp({
    limits: {
      runningPerUser: 4,
      queuedPerUser: 1000,
      storagePerUser: 10 * 1024 ** 3,
      importBytes: 1024 ** 2,
      runningTotal: 64,
      runningHere: 16,
      signInsPerMinute: 1000,
    },
  })
})

const Envelope = z.object({
  code: z.number(),
  message: z.string(),
  data: z.record(z.string(), z.unknown()).default({}),
})
type Answer = z.output<typeof Envelope> & { status: number; headers: Headers; failure: Record<string, unknown> }

async function ask(
  method: string,
  path: string,
  options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { token, body, headers } = options
  const response = await fetch(app.url + path, {
    method,
    headers: { ...(token && { Authorization: `Bearer ${token}` }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    redirect: 'manual',
  })
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/, `${method} ${path}`)
  const failure = z.record(z.string(), z.unknown()).parse(await response.json())
  return { ...Envelope.parse(failure), status: response.status, headers: response.headers, failure }
}

async function signIn(key: SshPair): Promise<string> {
  const { data } = await ask('POST', `${API}/challenge`, { body: { public_key: key.publicKey } })
  const signature = await key.sign(String(data.message), String(data.namespace))
  const login = await ask('POST', `${API}/login`, {
    body: { public_key: key.publicKey, challenge_id: data.challenge_id, signature },
  })
  assert.equal(login.status, 200, login.message)
  return String(login.data.access_token)
}

/** Alice's script, signed in. */
async function atWork(person?: Person) {
  const owner = person ?? (await alice(app))
  const key = await boundKey(app, owner)
  return { person: owner, key, token: await signIn(key) }
}

async function bindForm(person: Person, key: SshPair, more: Record<string, string> = {}) {
  const page = await person.get('/agents')
  const option = page.html.querySelectorAll('#api-key option').find(each => each.getAttribute('value'))
  const keyId = option?.getAttribute('value') ?? ''
  return person.post('/agents', { name: 'laptop', public_key: key.publicKey, key_id: keyId, ...more })
}

test('a key is bound on the page and proved by the one line that the page shows', async () => {
  const person = await alice(app)
  const key = await sshKeygen('ed25519')
  const bound = await bindForm(person, key)
  assert.equal(bound.status, 303, bound.text)
  assert.equal((await ask('POST', `${API}/challenge`, { body: { public_key: key.publicKey } })).status, 404)

  const page = await person.get(bound.location)
  const command = page.html.querySelector('#proof .command')!.text
  assert.ok(command.includes(app.url) && command.includes(person.email), 'the text names site and account')
  const { stdout } = await run('sh', ['-c', command.replace('~/.ssh/id_ed25519', key.file)])
  assert.match(stdout, /"code":0/)
  assert.equal((await person.get(bound.location)).html.querySelector('#proof'), null)
  assert.match(await signIn(key), /^ssh_[\w-]{43}$/)
  assert.match((await run('sh', ['-c', command.replace('~/.ssh/id_ed25519', key.file)])).stdout, /no longer valid/)
})

test('a signature pasted into the page proves, one for anything else does not', async () => {
  const person = await alice(app)
  const key = await sshKeygen('ecdsa')
  const { location } = await bindForm(person, key)
  const text = (await person.get(location)).html.querySelectorAll('#proof .command')[1]!.text
  const wrong = [
    await key.sign(text, 'sub2api-playground'),
    await key.sign(`${text}\n`, PROOF_NAMESPACE),
    await key.sign(text.replaceAll('\n', '\r'), PROOF_NAMESPACE),
    await key.sign(text.replace('\n', '\r\n'), PROOF_NAMESPACE),
    await key.sign(` ${text}`, PROOF_NAMESPACE),
    await (await sshKeygen('ed25519')).sign(text, PROOF_NAMESPACE),
    'nonsense',
  ]
  for (const signature of wrong) assert.equal((await person.post(`${location}/prove`, { signature })).status, 422)
  const signature = await key.sign(text, PROOF_NAMESPACE)
  assert.equal((await person.post(`${location}/prove`, { signature: signature.replaceAll('\n', '\r\n') })).status, 303)
  await signIn(key)
})

test('a proof of the text as an editor saved it proves too: over CRLF, without the last line feed, or both', async () => {
  for (const save of [
    (text: string) => text.slice(0, -1),
    (text: string) => text.replaceAll('\n', '\r\n'),
    (text: string) => text.slice(0, -1).replaceAll('\n', '\r\n'),
  ]) {
    const person = await alice(app)
    const key = await sshKeygen('ed25519')
    const { location } = await bindForm(person, key)
    const text = (await person.get(location)).html.querySelectorAll('#proof .command')[1]!.text
    const signature = await key.sign(save(text), PROOF_NAMESPACE)
    assert.equal((await person.post(`${location}/prove`, { signature })).status, 303)
    await signIn(key)
  }
})

test('a key as PuTTYgen saves it is the same key; its private file is named, and not shown again', async () => {
  const person = await alice(app)
  const key = await sshKeygen('ed25519', {
    comment: 'a comment that is far too long for one line of the file, and so goes on',
  })
  const { stdout } = await run('ssh-keygen', ['-e', '-f', `${key.file}.pub`])
  assert.match(stdout, /^---- BEGIN SSH2 PUBLIC KEY ----/)
  const folded = stdout.replace(/^Comment: "(.{20})/m, 'Comment: "$1\\\n').replaceAll('\n', '\r\n')
  const { location } = await bindForm(person, { ...key, publicKey: folded })
  const text = (await person.get(location)).html.querySelectorAll('#proof .command')[1]!.text
  const signature = await key.sign(text, PROOF_NAMESPACE)
  assert.equal((await person.post(`${location}/prove`, { signature })).status, 303)
  assert.equal((await ask('POST', `${API}/challenge`, { body: { public_key: folded } })).status, 200)

  const ppk = 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nAAAAsecret\n'
  const refused = await bindForm(person, { ...key, publicKey: ppk })
  assert.equal(refused.status, 422)
  assert.match(refused.html.querySelector('.field-error')!.text, /PuTTYgen/)
  assert.doesNotMatch(refused.text, /AAAAsecret/)
  const answer = await ask('POST', `${API}/challenge`, { body: { public_key: ppk } })
  assert.deepEqual([answer.status, answer.failure.field], [400, 'public_key'])
})

test('a byte order mark before the JSON changes nothing', async () => {
  const { key, token } = await atWork()
  const body = '\ufeff{"prompt": "a fox", "size": "1024x1024", "quality": "low"}'
  const headers = { 'Idempotency-Key': randomUUID() }
  const marked = await ask('POST', `${API}/tasks`, { token, body, headers })
  assert.equal(marked.status, 202, marked.message)
  const plain = await ask('POST', `${API}/tasks`, { token, body: body.slice(1), headers })
  assert.deepEqual([plain.status, plain.data.task_id], [202, marked.data.task_id])
  const challenge = await ask('POST', `${API}/challenge`, {
    body: `\ufeff${JSON.stringify({ public_key: key.publicKey })}`,
  })
  assert.equal(challenge.status, 200, challenge.message)
  for (const nothing of ['\ufeff', '\ufeff\ufeff{"prompt": "a fox"}']) {
    assert.equal((await ask('POST', `${API}/tasks`, { token, body: nothing })).status, 400)
  }
})

test('two accounts may wait for one key; who proves it has it, and the other cannot take it', async () => {
  const key = await sshKeygen('ed25519')
  const [mine, theirs] = [await alice(app), await charlie(app)]
  const [hers, his] = [await bindForm(mine, key), await bindForm(theirs, key)]
  assert.deepEqual([hers.status, his.status], [303, 303])
  const textOf = async (person: Person, address: string) =>
    (await person.get(address)).html.querySelectorAll('#proof .command')[1]!.text
  const [herText, hisText] = [await textOf(mine, hers.location), await textOf(theirs, his.location)]
  const forHer = await key.sign(herText, PROOF_NAMESPACE)
  assert.equal((await theirs.post(`${his.location}/prove`, { signature: forHer })).status, 422, 'it names her account')
  assert.equal((await mine.post(`${hers.location}/prove`, { signature: forHer })).status, 303)
  const forHim = await key.sign(hisText, PROOF_NAMESPACE)
  const refused = await theirs.post(`${his.location}/prove`, { signature: forHim })
  assert.equal(refused.status, 422)
  assert.match(refused.html.querySelector('#proof [role="alert"]')!.text, /another account/)
  const me = await ask('GET', `${API}/me`, { token: await signIn(key) })
  assert.equal(z.object({ email: z.string() }).parse(me.data.user).email, mine.email)
})

test('what cannot be bound is said at its field, and a private key is not shown again', async () => {
  const person = await alice(app)
  const key = await sshKeygen('ed25519')
  for (const more of [{ name: ' ' }, { key_id: '999999' }, { public_key: 'ssh-dss AAAA' }]) {
    const refused = await bindForm(person, key, more)
    assert.equal(refused.status, 422)
    assert.equal(refused.html.querySelectorAll('.field-error').length, 1)
  }
  const secret = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----'
  const refused = await bindForm(person, key, { public_key: secret })
  assert.equal(refused.status, 422)
  assert.doesNotMatch(refused.text, /b3Blbn/)
  assert.equal((await bindForm(person, key)).status, 303)
  assert.equal((await bindForm(person, key)).status, 422, 'bound already')

  const other = await sshKeygen('ed25519')
  const keyId = app.mock.control.keysOf(person.email)[0]!.id
  const file = Buffer.from(`${other.publicKey}\n`)
  const uploaded = await person.upload('/agents', [['id.pub', file]], {
    name: 'server',
    public_key: '',
    key_id: String(keyId),
  })
  assert.equal(uploaded.status, 303)
})

test('a key is renamed, paid by another API key, and revoked with its tokens and what it has waiting', async t => {
  const { person, token } = await atWork()
  const held = app.mock.control.fault({ match: { prompt: 'revoked' }, hold: 'before_headers', times: 10 })
  t.after(() => app.mock.control.release(held))
  const page = await person.get('/agents')
  const address = page.html.querySelector('.key-row a.button')!.getAttribute('href')!
  assert.equal((await person.post(`${address}/name`, { name: 'build server' })).status, 303)
  const second = app.mock.control.addKey(person.email, { name: 'Second', group_id: 10 })
  assert.equal((await person.post(`${address}/key`, { key_id: String(second.id) })).status, 303)
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'revoked' } })
  assert.equal(made.status, 202)
  const [call] = await app.mock.control.waitForCalls(1, { email: person.email })
  assert.equal(call!.apiKeyId, second.id)
  for (let each = 0; each < 5; each++) await ask('POST', `${API}/tasks`, { token, body: { prompt: 'revoked' } })
  assert.match((await person.get('/images')).text, /by build server/)

  const stranger = await charlie(app)
  for (const path of ['', '/revoke', '/name', '/key', '/limits', '/prove', `/tokens/${randomUUID()}/end`]) {
    const answer = path === '' ? await stranger.get(address) : await stranger.post(address + path, { name: 'x' })
    assert.equal(answer.status, 404, path)
  }
  assert.equal((await person.post(`${address}/revoke`)).status, 303)
  assert.equal((await ask('GET', `${API}/me`, { token })).status, 401)
  const { rows } = await app.db.pool.query<{ state: string }>(
    `select state from image_jobs j join users u on u.id = j.user_id where u.email = $1`,
    [person.email],
  )
  assert.equal(rows.filter(row => row.state === 'queued').length, 0)
  assert.ok(rows.some(row => row.state === 'cancelled'))
})

test('what runs when its SSH key is revoked is brought home, but never sent again', async () => {
  const { person, token } = await atWork()
  const match = { email: person.email }
  const held = [
    app.mock.control.fault({ match, hold: 'before_headers', reply: 'rate_limited' }),
    app.mock.control.fault({ match, hold: 'before_headers' }),
  ]
  for (let each = 0; each < 2; each++) await ask('POST', `${API}/tasks`, { token, body: { prompt: 'under way' } })
  await app.mock.control.waitForCalls(2, { email: person.email })
  const address = (await person.get('/agents')).html.querySelector('.key-row a.button')!.getAttribute('href')!
  assert.equal((await person.post(`${address}/revoke`)).status, 303)
  for (const fault of held) app.mock.control.release(fault)
  const states = await until('both ends', async () => {
    const { rows } = await app.db.pool.query<{ state: string; charged: string }>(
      `select state, charged from image_jobs j join users u on u.id = j.user_id where u.email = $1 order by state`,
      [person.email],
    )
    return rows.every(row => row.state !== 'running' && row.state !== 'queued') && rows
  })
  assert.deepEqual(states, [
    { state: 'done', charged: 'yes' },
    { state: 'failed', charged: 'no' },
  ])
  assert.equal(app.mock.control.calls({ email: person.email }).length, 2)
})

test('whatever is wrong, the answer is JSON with the right status', async () => {
  const { token } = await atWork()
  const id = randomUUID()
  const prompt = 'x'
  const png = `data:image/png;base64,${Buffer.from('no picture').toString('base64')}`
  const cases: [status: number, method: string, path: string, body?: unknown][] = [
    [404, 'GET', '/nothing'],
    [404, 'GET', `/tasks/${id}`],
    [404, 'GET', '/tasks/not-an-id'],
    [404, 'GET', '/tasks/%zz'],
    [404, 'GET', `/tasks/${id}/download`],
    [405, 'DELETE', `/tasks/${id}`],
    [405, 'GET', '/challenge'],
    [400, 'POST', '/challenge', '{'],
    [400, 'POST', '/challenge', {}],
    [400, 'POST', '/challenge', { public_key: 'ssh-ed25519 nonsense' }],
    [404, 'POST', '/challenge', { public_key: (await sshKeygen('ed25519')).publicKey }],
    [400, 'POST', '/tasks', ''],
    [400, 'POST', '/tasks', '[1]'],
    [400, 'POST', '/tasks', { prompt: 7 }],
    [400, 'POST', '/tasks', { prompt: ' ' }],
    [400, 'POST', '/tasks', { prompt: 'a\0b' }],
    [400, 'POST', '/tasks', { prompt, n: 11 }],
    [400, 'POST', '/tasks', { prompt, n: 1.5 }],
    [400, 'POST', '/tasks', { prompt, size: '7x7' }],
    [400, 'POST', '/tasks', { prompt, mode: 'edit' }],
    [400, 'POST', '/tasks', { prompt, images: [{ image_url: 'http://127.0.0.1/' }] }],
    [400, 'POST', '/tasks', { prompt, images: [{ data_url: png }] }],
    [400, 'POST', '/tasks', { prompt, images: [{ data_url: 'data:image/png;base64,§§' }] }],
    [400, 'POST', '/tasks', { prompt, images: [{ asset_token: 'x'.repeat(32) }] }],
    [400, 'POST', '/tasks', { prompt, images: [{ data_url: 5 }] }],
    [413, 'POST', '/tasks', { prompt: 'x'.repeat(5 * 2 ** 20) }],
    [400, 'GET', '/tasks?limit=0'],
    [400, 'GET', '/tasks?cursor=x'],
  ]
  for (const [status, method, path, body] of cases) {
    const answer = await ask(method, API + path, { token, ...(body !== undefined && { body }) })
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)?.slice(0, 80)}: ${answer.message}`)
    assert.equal(answer.code, status)
    assert.ok(answer.message.length > 5 && answer.failure.reason)
  }
  for (const path of ['/me', '/tasks', `/tasks/${id}`]) assert.equal((await ask('GET', API + path)).status, 401)
  const chinese = await ask('GET', `${API}/me`, { headers: { 'Accept-Language': 'zh-CN' } })
  assert.match(chinese.message, /令牌/)
})

test("a page at rest learns of what a script asks for, once, and of nobody else's", async t => {
  const { person, token } = await atWork()
  const stranger = await charlie(app)
  const held = app.mock.control.fault({ match: { prompt: 'arriving' }, hold: 'before_headers', times: 10 })
  t.after(() => app.mock.control.release(held))
  const addressOf = async (who: Person) =>
    (await who.get('/images')).html.querySelector('#arrivals')!.getAttribute('hx-get')!
  const [mine, theirs] = [await addressOf(person), await addressOf(stranger)]
  const idle = await person.get(mine, { htmx: true })
  assert.deepEqual([idle.status, idle.text], [204, ''])

  const id = String((await ask('POST', `${API}/tasks`, { token, body: { prompt: 'arriving' } })).data.task_id)
  const arrived = await person.get(mine, { htmx: true })
  const places = arrived.html.querySelectorAll('hx-partial').map(each => each.getAttribute('hx-target'))
  assert.deepEqual(places, [`#job-${id}`, '#today', '#pulse', '#live'], 'a tile that is there already gives way')
  assert.match(arrived.html.querySelector(`#job-${id}`)!.text, /arriving[\s\S]*by laptop/)
  assert.match(arrived.html.querySelector('#pulse')!.getAttribute('hx-get')!, new RegExp(id))

  const more = mine.includes('?') ? '&' : '?'
  assert.equal((await person.get(`${mine}${more}s=${id}`, { htmx: true })).status, 204, 'it is shown')
  assert.equal((await person.get(await addressOf(person), { htmx: true })).status, 204, 'the page came later')
  assert.equal((await stranger.get(mine, { htmx: true })).status, 204)
  assert.equal((await stranger.get(theirs, { htmx: true })).status, 204)
  for (const odd of ['?after=x', '?s=', `?s=${"'"}&s=%00`]) {
    assert.equal((await person.get(`/images/arrivals${odd}`, { htmx: true })).status, 200, odd)
  }
  assert.equal(
    (await person.get('/images?before=zzz.00000000-0000-0000-0000-000000000000')).html.querySelector('#arrivals'),
    null,
  )
})

test('a cookie is worth nothing over JSON, a token nothing on a page', async () => {
  const { person, token } = await atWork()
  assert.equal((await person.get(`${API}/me`)).status, 401)
  const page = await app.browser().get('/agents', { headers: { Authorization: `Bearer ${token}` } })
  assert.equal(page.status, 303)
})

test('a challenge is good for one attempt, for its own key and for 300 seconds', async () => {
  const { key } = await atWork()
  const other = (await atWork()).key
  const challenge = async () => (await ask('POST', `${API}/challenge`, { body: { public_key: key.publicKey } })).data
  const login = (pair: SshPair, id: unknown, signature: string) =>
    ask('POST', `${API}/login`, { body: { public_key: pair.publicKey, challenge_id: id, signature } })

  const first = await challenge()
  const signature = await key.sign(String(first.message), 'sub2api-playground')
  assert.equal((await login(other, first.challenge_id, signature)).status, 401)
  assert.equal((await login(key, first.challenge_id, signature)).status, 200, 'another key’s attempt spends nothing')
  assert.equal((await login(key, first.challenge_id, signature)).status, 401)

  const second = await challenge()
  assert.equal((await login(key, second.challenge_id, signature)).message, 'SSH signature verification failed')
  const late = await key.sign(String(second.message), 'sub2api-playground')
  assert.equal((await login(key, second.challenge_id, late)).status, 401, 'spent by the wrong signature')

  const third = await challenge()
  await app.db.pool.query(`update ssh_challenges set created_at = now() - interval '301 seconds'`)
  assert.equal(
    (await login(key, third.challenge_id, await key.sign(String(third.message), 'sub2api-playground'))).status,
    401,
  )
  assert.equal((await login(key, randomUUID(), 'x'.repeat(16_385))).status, 400)
})

test('sign-ins are limited by address and by key, and who only knows a key keeps nobody out', async () => {
  const key = await boundKey(app, await alice(app))
  const limits = { ...app.config.limits, signInsPerMinute: 3 }
  const { running } = await app.another({ role: 'web', trustedProxies: 1, limits })
  const send = async (path: string, from: string, body: object) => {
    const headers = { 'X-Forwarded-For': from }
    const response = await fetch(running.url + API + path, { method: 'POST', headers, body: JSON.stringify(body) })
    return {
      status: response.status,
      wait: response.headers.get('retry-after'),
      ...Envelope.parse(await response.json()),
    }
  }
  const attempt = async (from: string, signer: SshPair) => {
    const { data } = await send('/challenge', from, { public_key: key.publicKey })
    const signature = await signer.sign(String(data.message), String(data.namespace))
    return send('/login', from, { public_key: key.publicKey, challenge_id: data.challenge_id, signature })
  }
  const stranger = await sshKeygen('ed25519')
  const strangers: number[] = []
  for (let each = 1; each <= 5; each++) strangers.push((await attempt(`198.51.100.${each}`, stranger)).status)
  assert.deepEqual(strangers, [401, 401, 401, 429, 429], 'by key')
  const owners: number[] = []
  for (let each = 1; each <= 4; each++) owners.push((await attempt(`203.0.113.${each}`, key)).status)
  assert.deepEqual(owners, [200, 200, 200, 429], 'the owner has a limit of their own')

  const challenges = []
  for (let each = 1; each <= 4; each++) {
    challenges.push(await send('/challenge', '192.0.2.1', { public_key: key.publicKey }))
  }
  assert.deepEqual(
    challenges.map(each => each.status),
    [200, 200, 200, 429],
    'by address',
  )
  assert.ok(Number(challenges[3]!.wait) >= 1 && Number(challenges[3]!.wait) <= 60)
  assert.equal((await send('/challenge', '192.0.2.2', { public_key: key.publicKey })).status, 200)
})

test('an id that no challenge ever had is not valid, whatever it looks like', async () => {
  const { key } = await atWork()
  for (const id of ['', 'x', 'ffffffff-ffff-7fff-bfff-ffffffffffff', '0x', '-1', '9'.repeat(100_000), '\u0000']) {
    const signature = await key.sign('x', 'sub2api-playground')
    const { status } = await ask('POST', `${API}/login`, {
      body: { public_key: key.publicKey, challenge_id: id, signature },
    })
    assert.equal(status, 401, id.slice(0, 40))
  }
})

test('the same Idempotency-Key is the same task, with another body a conflict', async () => {
  const { token, person } = await atWork()
  const headers = { 'Idempotency-Key': 'one of mine' }
  const body = { payload: { prompt: 'once', conversation_id: 'c-1', quality: 'low' } }
  const answers = await Promise.all([1, 2, 3, 4].map(() => ask('POST', `${API}/tasks`, { token, body, headers })))
  assert.deepEqual(new Set(answers.map(answer => answer.status)), new Set([202]))
  const [id, ...more] = new Set(answers.map(answer => answer.data.task_id))
  assert.equal(more.length, 0)
  const other = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'twice' }, headers })
  assert.deepEqual([other.status, other.failure.reason], [409, 'idempotency_conflict'])

  const task = await until('the picture', async () => {
    const { data } = await ask('GET', `${API}/tasks/${String(id)}`, { token })
    return data.status === 'completed' ? data : null
  })
  assert.deepEqual([task.conversation_id, task.mode, task.quality], ['c-1', 'generate', 'low'])
  assert.equal(app.mock.control.calls({ email: person.email }).length, 1)
  const head = await fetch(`${app.url}${API}/tasks/${String(id)}/download`, {
    method: 'HEAD',
    headers: { Authorization: `Bearer ${token}` },
  })
  assert.match(head.headers.get('content-disposition') ?? '', /filename="?once-1\.png/)
  const part = await fetch(`${app.url}${API}/tasks/${String(id)}/download?index=0`, {
    headers: { Authorization: `Bearer ${token}`, Range: 'bytes=0-7' },
  })
  assert.deepEqual([part.status, (await part.arrayBuffer()).byteLength], [206, 8])
  assert.equal((await ask('GET', `${API}/tasks/${String(id)}/download?index=1`, { token })).status, 404)
  assert.equal((await ask('POST', `${API}/logout`, { token })).status, 200)
  assert.equal((await ask('GET', `${API}/me`, { token })).status, 401)
})

test('an edit keeps references and mask, and a mask of another size is refused', async () => {
  const { token, person } = await atWork()
  const picture = async (width: number, background: string) =>
    `data:image/png;base64,${(
      await sharp({ create: { width, height: 64, channels: 4, background } })
        .png()
        .toBuffer()
    ).toString('base64')}`
  const images = [{ data_url: await picture(96, 'red') }, { name: 'b.png', data_url: await picture(64, 'blue') }]
  const small = { prompt: 'x', mode: 'edit', images, mask: { data_url: await picture(64, '#0000') } }
  const refused = await ask('POST', `${API}/tasks`, { token, body: small })
  assert.deepEqual([refused.status, refused.failure.field], [400, 'mask'])
  const mask = { data_url: await picture(96, '#0000') }
  const made = await ask('POST', `${API}/tasks`, { token, body: { ...small, mask } })
  assert.equal(made.status, 202, made.message)
  const [call] = await app.mock.control.waitForCalls(1, { email: person.email })
  assert.deepEqual([call!.path, call!.inputs, call!.hasMask], ['/v1/images/edits', 2, true])

  const counted = await app.db.run(`update rate_limits set points = 240 where key = $1 and points = 6`, [
    `upload:${app.mock.control.user(person.email).id}`,
  ])
  assert.equal(counted, 1, 'three pictures with each of two tasks')
  assert.equal((await ask('POST', `${API}/tasks`, { token, body: { ...small, mask } })).status, 429)
  assert.equal((await ask('POST', `${API}/tasks`, { token, body: { prompt: 'x' } })).status, 202)
})

test('a body over 64 MiB is heard out and answered with 413 in JSON', async () => {
  const { token } = await atWork()
  const chunk = Buffer.alloc(1024 * 1024, 'A')
  async function* body() {
    yield Buffer.from('{"prompt":"x","images":[{"data_url":"data:image/png;base64,')
    for (let each = 0; each < 70; each++) yield chunk
    yield Buffer.from('"}]}')
  }
  const response = await fetch(`${app.url}${API}/tasks`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: Readable.toWeb(Readable.from(body())),
    duplex: 'half',
  } as unknown as RequestInit)
  assert.equal(response.status, 413)
  assert.deepEqual(z.object({ reason: z.string() }).parse(await response.json()).reason, 'too_large')
})

test('who is refused before the body is read hears why, and not a broken connection', async () => {
  const large = `urllib.request.Request(%r, data=b'A' * 40_000_000, headers=%r, method='POST')`
  const send = async (path: string, headers: object) => {
    const request = large.replace('%r', `'${app.url}${API}${path}'`).replace('%r', JSON.stringify(headers))
    const script = `import urllib.request, urllib.error\ntry: urllib.request.urlopen(${request})\nexcept urllib.error.HTTPError as e: print(e.code, e.read().decode())`
    return (await run('python3', ['-c', script])).stdout
  }
  assert.match(await send('/tasks', { Authorization: 'Bearer ssh_x' }), /^401 .*token_not_valid/)
  assert.match(await send('/nothing', {}), /^404 .*not_found/)
  assert.match(await send('/me', {}), /^405 .*method_not_allowed/)
})

async function limitTo(key: SshPair, total: number | null): Promise<void> {
  await app.db.run(`update ssh_keys set spend_total = $2 where blob = $1`, [blobOf(key), total])
}

async function limit(person: Person, limits: Record<string, string>) {
  const address = (await person.get('/agents')).html.querySelector('.key-row a.button')!.getAttribute('href')!
  const answer = await person.post(`${address}/limits`, limits)
  assert.equal(answer.status, 303, answer.text)
}

test('a hundred calls at once never pass the spend cap', async () => {
  const { person, token } = await atWork()
  const body = { prompt: 'capped', quality: 'low' }
  const probe = await ask('POST', `${API}/tasks`, { token, body })
  const price = Number((await ask('GET', `${API}/tasks/${String(probe.data.task_id)}`, { token })).data.estimate)
  assert.ok(price > 0)
  const cap = Math.floor(price * 5.5 * 1e4) / 1e4
  await limit(person, { spend_per_day: String(cap) })
  // So much at once that some are told to come again in a while: they do.
  const insist = async () => {
    for (;;) {
      const answer = await ask('POST', `${API}/tasks`, { token, body })
      if (answer.status !== 503) return answer
      await delay(Number(answer.headers.get('retry-after')) * 1000)
    }
  }
  const answers = await Promise.all(Array.from({ length: 100 }, insist))
  const made = answers.filter(answer => answer.status === 202).length
  assert.equal(made, 4, 'with the first one five')
  for (const { status, failure, headers } of answers.filter(answer => answer.status !== 202)) {
    assert.deepEqual([status, failure.reason], [429, 'spend_per_day'])
    assert.equal(Number(headers.get('retry-after')), failure.retry_after)
  }
  const { used } = z
    .object({ used: z.object({ spent_today: z.number() }) })
    .parse((await ask('GET', `${API}/me`, { token })).data)
  assert.ok(used.spent_today <= cap)
})

test('what was free is given back to the cap, and what cost more than estimated counts', async () => {
  const { person, token } = await atWork()
  app.mock.control.fault({ match: { prompt: 'declined' }, reply: 'moderation' })
  const failed = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'declined' } })
  const task = await until('the failure', async () => {
    const { data } = await ask('GET', `${API}/tasks/${String(failed.data.task_id)}`, { token })
    return data.status === 'failed' ? data : null
  })
  assert.deepEqual([task.charged, task.estimate], ['no', 0])
  await limit(person, { spend_total: '0.134' })
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'instead' } })
  assert.equal(made.status, 202, 'the whole cap is free again')
  const more = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'too much' } })
  assert.deepEqual([more.status, more.failure.reason], [403, 'spend_total'])

  await until('its bill', async () => (await jobRow(app.db, String(made.data.task_id))).cost !== null)
  await app.db.run('update receipts set amount = 0.01 where subject = $1', [made.data.task_id])
  await limit(person, { spend_total: '0.144' })
  assert.equal((await ask('POST', `${API}/tasks`, { token, body: { prompt: 'fits' } })).status, 202)
})

test('a spend cap is kept with the prices of now', async () => {
  const { person, token, key } = await atWork()
  const [apiKey] = app.mock.control.keysOf(person.email)
  const sshKey = `where blob = decode('${key.publicKey.split(' ')[1]}', 'base64')`
  const grow = (interval: string) =>
    app.db.run(`update ssh_keys set key_checked_at = now() - $1::interval ${sshKey}`, [interval])
  const create = () => ask('POST', `${API}/tasks`, { token, body: { prompt: 'dearer' } })
  const estimateOf = async (made: Answer) =>
    (await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })).data.estimate
  await limit(person, { spend_total: '0.5' })
  assert.equal(await estimateOf(await create()), 0.134)

  const group = app.mock.control.group(apiKey!.group_id!, {})
  app.mock.control.group(group.id, { image_price_1k: 0.2 })
  assert.equal(await estimateOf(await create()), 0.134, 'checked a moment ago')
  await grow('6 minutes')
  const asked = () => app.mock.control.panelCalls({ path: '/api/v1/keys', email: person.email }).length
  const before = asked()
  const dearer = await Promise.all([create(), create(), create()])
  assert.equal(asked(), before + 1, 'many tasks at once are one question')
  assert.equal(dearer.filter(answer => answer.status === 202).length, 1, 'one more fits')
  app.mock.control.group(group.id, { image_price_1k: null })

  // Signed out everywhere: prices of today will do, older ones will not.
  await app.db.run(`delete from sign_ins where user_id = (select user_id from ssh_keys ${sshKey})`)
  await limitTo(key, 100)
  await grow('23 hours')
  assert.equal(await estimateOf(await create()), 0.2)
  await grow('25 hours')
  const refused = await create()
  assert.deepEqual([refused.status, refused.failure.reason], [403, 'price_unknown'])
  assert.match(refused.message, /sign in/)
  await limitTo(key, null)
  assert.equal((await create()).status, 202, 'without a cap the price is only told')
  await limitTo(key, 100)
  const back = app.browser()
  await back.post('/login', { email: person.email, password: 'long enough' })
  assert.equal(await estimateOf(await create()), 0.134)
})

test('a gateway that cannot tell the price stops no task, and is not asked again at once', async () => {
  const { person, token, key } = await atWork()
  await limitTo(key, 100)
  const create = () => ask('POST', `${API}/tasks`, { token, body: { prompt: 'in the dark' } })
  const asked = () => app.mock.control.panelCalls({ path: '/api/v1/keys', email: person.email }).length
  const grow = () =>
    app.db.run(`update ssh_keys set key_checked_at = now() - interval '6 minutes' where blob = $1`, [blobOf(key)])
  app.mock.control.fault({ match: { path: '/api/v1/keys', email: person.email }, reply: 'panel_unavailable' })
  await grow()
  const before = asked()
  assert.deepEqual([(await create()).status, (await create()).status], [202, 202])
  assert.equal(asked(), before + 1)
})

test('counts, sizes and qualities are limited', async t => {
  const { person, token } = await atWork()
  const held = app.mock.control.fault({ match: { prompt: 'limited' }, hold: 'before_headers', times: 10 })
  t.after(() => app.mock.control.release(held))
  await limit(person, { pictures_per_day: '3', jobs_at_once: '1', sizes: '1024x1024', quality: 'low' })
  const create = (more: object = {}) =>
    ask('POST', `${API}/tasks`, { token, body: { prompt: 'limited', quality: 'low', ...more } })
  assert.equal((await create({ size: '1536x1024' })).failure.reason, 'size_not_allowed')
  assert.equal((await create({ quality: 'high' })).failure.reason, 'quality_not_allowed')
  assert.equal((await create({ n: 4 })).failure.reason, 'pictures_per_day')
  assert.equal((await create({ n: 2 })).status, 202)
  assert.equal((await create()).failure.reason, 'jobs_at_once')
})

test('the OpenAPI document is one that generators of clients can use', async () => {
  const text = await (await fetch(`${app.url}/api/playground/openapi.json`)).text()
  const config = await createConfig({ extends: ['recommended'] })
  const problems = await lintFromString({ source: text, config })
  assert.deepEqual(
    problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer}`),
    [],
  )
  const Document = z.object({ paths: z.record(z.string(), z.object({ post: z.looseObject({}).optional() })) })
  const { paths } = Document.parse(JSON.parse(text))
  const payload = JSON.stringify(paths[`${API}/tasks`]!.post!.requestBody)
  assert.doesNotMatch(payload, /"integer"/)
  assert.match(payload, /"prompt":\{"type":"string","minLength":1,"maxLength":32000\}/)
  assert.match(payload, /"data_url":\{"anyOf":\[\{"type":"string",/)
  const proof = paths[`${API}/proofs/{nonce}`]!.post!
  assert.deepEqual([proof.operationId, proof.security], ['proveKey', []])
})

test('the OpenAPI document describes what is really answered', async () => {
  const { token } = await atWork()
  const document = z
    .object({ openapi: z.string(), paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
    .parse(await (await fetch(`${app.url}/api/playground/openapi.json`)).json())
  assert.equal(document.openapi, '3.1.0')
  const Operation = z.object({
    responses: z.record(
      z.string(),
      z.object({ content: z.record(z.string(), z.object({ schema: z.unknown() })).optional() }),
    ),
  })
  const check = (path: string, method: string, answer: Answer) => {
    const operation = Operation.parse(document.paths[`${API}${path}`]?.[method])
    const schema = operation.responses[answer.status]?.content?.['application/json']?.schema
    assert.ok(schema, `${method} ${path} ${answer.status} is not described`)
    z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).parse(answer.failure)
  }
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'described' } })
  check('/tasks', 'post', made)
  const id = String(made.data.task_id)
  check('/tasks/{id}', 'get', await ask('GET', `${API}/tasks/${id}`, { token }))
  await until('the end', async () => (await ask('GET', `${API}/tasks/${id}`, { token })).data.status === 'completed')
  check('/tasks/{id}', 'get', await ask('GET', `${API}/tasks/${id}`, { token }))
  check('/tasks/{id}/cancel', 'post', await ask('POST', `${API}/tasks/${id}/cancel`, { token }))
  check('/tasks', 'get', await ask('GET', `${API}/tasks?status=completed&limit=1`, { token }))
  check('/me', 'get', await ask('GET', `${API}/me`, { token }))
  check('/logout', 'post', await ask('POST', `${API}/logout`, { token }))
})

test('a price that cannot be checked in time does not hold a script up: the last one counts, and is called stale', async () => {
  const { token, key, person } = await atWork()
  const old = `update ssh_keys set key_checked_at = now() - interval '6 minutes' where blob = $1`
  await app.db.run(old, [blobOf(key)])
  const silent = { path: '/api/v1/keys', email: person.email }
  const hold = app.mock.control.fault({ match: silent, hold: 'before_headers', times: 5 })
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'unchecked' } })
  assert.equal(made.status, 202)
  const { data } = await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })
  assert.deepEqual([data.estimate, data.estimate_stale], [0.134, true])
  app.mock.control.release(hold)
})

test('an API key that cannot pay any more is a refusal with its reason, before anything is queued', async () => {
  const { token, key, person } = await atWork()
  const apiKey = app.mock.control.keysOf(person.email)[0]!
  const bound = await app.db.one(z.object({ keyId: z.number() }), 'select key_id from ssh_keys where blob = $1', [
    blobOf(key),
  ])
  const states = [
    [{ status: 'inactive' }, 'key_invalid'],
    [{ status: 'expired' }, 'key_expired'],
    [{ status: 'quota_exhausted' }, 'key_quota'],
    [{ status: 'active', group_id: null }, 'group_no_images'],
    [null, 'key_invalid'],
  ] as const
  for (const [state, reason] of states) {
    if (state) app.mock.control.key(bound.keyId, state)
    else app.mock.state.keys.delete(bound.keyId)
    await app.db.run(`update ssh_keys set key_checked_at = now() - interval '6 minutes' where blob = $1`, [blobOf(key)])
    const refused = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'who pays?' } })
    assert.deepEqual([refused.status, refused.failure.reason], [409, reason])
    assert.ok(refused.message.includes(apiKey.name), refused.message)
  }
  assert.equal(app.mock.control.calls({ email: person.email }).length, 0)
})

test('a full window of the API key is told as a wait with its end, to every task that it holds', async () => {
  const { token, key, person } = await atWork()
  const { keyId } = await app.db.one(z.object({ keyId: z.number() }), 'select key_id from ssh_keys where blob = $1', [
    blobOf(key),
  ])
  const began = new Date(Date.now() - 2 * 3_600_000)
  const full = { rate_limit_5h: 1, usage_5h: 1, window_5h_start: began.toISOString() }
  const wait = async (prompt: string) => {
    const made = await ask('POST', `${API}/tasks`, { token, body: { prompt } })
    assert.equal(made.status, 202)
    return until('the wait', async () => {
      const { data } = await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })
      return data.waiting ? data : null
    })
  }
  app.mock.control.key(keyId, full)
  const told = await wait('told by the gateway')
  assert.deepEqual([told.status, told.waiting], ['queued', 'key_window_5h'])
  assert.equal(Date.parse(String(told.retry_at)), began.getTime() + 5 * 3_600_000)

  const held = await wait('held by the first one, before anybody asked about the key again')
  assert.deepEqual([held.status, held.waiting, held.retry_at], ['queued', 'key_window_5h', told.retry_at])
  const list = await ask('GET', `${API}/tasks`, { token })
  assert.deepEqual(
    (list.data.tasks as { waiting: string }[]).map(task => task.waiting),
    ['key_window_5h', 'key_window_5h'],
  )

  await app.db.run(`update ssh_keys set key_checked_at = now() - interval '6 minutes' where blob = $1`, [blobOf(key)])
  const known = await wait('known before')
  assert.deepEqual([known.status, known.waiting], ['queued', 'key_window_5h'])
  assert.equal(app.mock.control.calls({ email: person.email }).length, 1)
})

test('that the gateway asked to slow down, or takes no more at once with the API key, is told as a wait', async () => {
  const { token, key } = await atWork()
  const make = async (prompt: string) => {
    const made = await ask('POST', `${API}/tasks`, { token, body: { prompt } })
    return async () => (await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })).data
  }
  const hold = app.mock.control.fault({ match: { prompt: 'the only one' }, hold: 'before_headers' })
  const only = await make('the only one')
  await app.mock.control.waitForCalls(1, { prompt: 'the only one', state: 'held' })
  await app.db.run(
    `insert into key_lanes (user_id, key_id, at_once) select user_id, key_id, 1 from ssh_keys where blob = $1`,
    [blobOf(key)],
  )
  const behind = await make('behind it')
  assert.deepEqual([(await behind()).waiting, (await behind()).retry_at], ['key_concurrency', null])
  app.mock.control.fault({ match: { prompt: 'behind it' }, reply: 'rate_limited_20s' })
  app.mock.control.release(hold)
  const told = await until('the wait', async () => ((await behind()).waiting === 'gateway' ? behind() : null))
  assert.ok(Date.parse(String(told.retry_at)) > Date.now() + 10_000)
  assert.equal(
    (await until('its end', async () => ((await only()).status === 'completed' ? only() : null))).charged,
    'yes',
  )
})

test('the page of an SSH key says what is wrong with the API key that pays, and where to choose another', async () => {
  const { person, key } = await atWork()
  const address = (await person.get('/agents')).html.querySelector('.key-row a.button')!.getAttribute('href')!
  const { keyId } = await app.db.one(z.object({ keyId: z.number() }), 'select key_id from ssh_keys where blob = $1', [
    blobOf(key),
  ])
  const noticeOn = async (page: string) => {
    const notice = (await person.get(page)).html.querySelector('.notice.warn')
    return notice && { text: notice.text.replace(/\s+/g, ' '), link: notice.querySelector('a')!.getAttribute('href') }
  }
  assert.equal(await noticeOn(address), null)
  const { name } = app.mock.state.keys.get(keyId)!
  const began = new Date(Date.now() - 3_600_000).toISOString()
  const troubles = [
    [{ rate_limit_5h: 1, usage_5h: 1, window_5h_start: began }, /5-hour limit of your key .* opens at .* or another/],
    [{ status: 'inactive' }, /is switched off.*tasks of this SSH key are refused/],
    [{ status: 'active', quota: 1, quota_used: 1 }, /quota of your key .* is used up/],
    [{ quota: 0, expires_at: '2026-01-01T00:00:00Z' }, /has expired/],
    [null, /no longer exists/],
  ] as const
  for (const [fields, sentence] of troubles) {
    if (fields) app.mock.control.key(keyId, fields)
    else app.mock.state.keys.delete(keyId)
    for (const page of [address, '/agents']) {
      const notice = await noticeOn(page)
      assert.match(notice!.text, sentence)
      assert.ok(notice!.text.includes(name) && notice!.link === `${address}#settings`)
    }
  }
})

test('limits and sizes may be typed with full-width digits, in the form and in JSON', async () => {
  const { person, token } = await atWork()
  await limit(person, {
    pictures_per_day: '１０',
    jobs_at_once: '　２',
    spend_per_day: '＄１．５',
    spend_total: '２０',
    sizes: '１０２４×１０２４、２０４８ｘ２０４８',
  })
  const address = (await person.get('/agents')).html.querySelector('.key-row a.button')!.getAttribute('href')!
  const { html } = await person.get(address)
  const shown = ['pictures_per_day', 'jobs_at_once', 'spend_per_day', 'spend_total', 'sizes'].map(name =>
    html.querySelector(`#limits [name="${name}"]`)!.getAttribute('value'),
  )
  assert.deepEqual(shown, ['10', '2', '1.5', '20', '1024x1024, 2048x2048'])
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'wide', size: '２０４８×２０４８' } })
  const { data } = await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })
  assert.equal(data.size, '2048x2048')
  const refused = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'wide', size: '１５３６x１０２４' } })
  assert.deepEqual([refused.status, refused.failure.reason], [403, 'size_not_allowed'])
  const wrong = await person.post(`${address}/limits`, { pictures_per_day: '一' })
  assert.equal(wrong.status, 422)
})

test('an edit with previews is reserved at what its tokens may cost', async () => {
  const { person, token } = await atWork()
  const { token: picture } = await makePicture(app, person, 'to be edited')
  await limit(person, { spend_total: '0.2' })
  const body = { prompt: 'edited', size: '1024x1024', mode: 'edit', images: [{ asset_token: picture }] }
  await person.post('/account/edit-previews', { wanted: 'yes' })
  const refused = await ask('POST', `${API}/tasks`, { token, body })
  assert.deepEqual([refused.status, refused.failure.reason], [403, 'spend_total'])
  await person.post('/account/edit-previews', { wanted: 'no' })
  const made = await ask('POST', `${API}/tasks`, { token, body })
  assert.equal(made.status, 202)
  const { data } = await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })
  assert.equal(data.estimate, 0.134)
})

test('size auto is reserved at the dearest tier that can come back', async () => {
  const { person, token } = await atWork()
  await limit(person, { spend_total: '0.21' })
  const body = { prompt: 'any size', size: 'auto' }
  const refused = await ask('POST', `${API}/tasks`, { token, body })
  assert.deepEqual([refused.status, refused.failure.reason], [403, 'spend_total'])
  await limit(person, { spend_total: '0.27' })
  const made = await ask('POST', `${API}/tasks`, { token, body })
  assert.equal(made.status, 202)
  const { data } = await ask('GET', `${API}/tasks/${String(made.data.task_id)}`, { token })
  assert.equal(data.estimate, 0.268)
})

test('how long a task takes is told while it waits, once twenty like it are known', async () => {
  const { person, token } = await atWork()
  const [apiKey] = app.mock.control.keysOf(person.email)
  const whose = { userId: app.mock.control.user(person.email).id, keyId: apiKey!.id }
  const look = { size: '1024x1024', quality: 'low', n: 1 }
  const took = (seconds: number, times: number) => tookSoLong(app.db, whose, look, seconds, times)
  const held = app.mock.control.fault({ match: { prompt: 'a slow clock' }, hold: 'before_headers' })
  const made = await ask('POST', `${API}/tasks`, { token, body: { prompt: 'a slow clock', ...look } })
  const id = String(made.data.task_id)
  const usual = async () => (await ask('GET', `${API}/tasks/${id}`, { token })).data.usual_seconds
  await took(40, 10)
  await took(70, 9)
  assert.equal(await usual(), null)
  await took(70, 1)
  // Asked for once a second.
  assert.deepEqual(await until('it to be told', usual), { from: 40, to: 70 })
  const listed = await ask('GET', `${API}/tasks?limit=1`, { token })
  assert.partialDeepStrictEqual(listed.data, { tasks: [{ usual_seconds: { from: 40, to: 70 } }] })
  await ask('POST', `${API}/tasks/${id}/cancel`, { token })
  app.mock.control.release(held)
  await jobEnd(app.db, id)
  assert.equal(await usual(), null, 'of what is over')
})
