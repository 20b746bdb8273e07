import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, test } from 'node:test'
import { z } from 'zod'
import { restartablePostgres } from './testing/database.ts'
import { alice, type Person } from './testing/people.ts'
import { testApp, until } from './testing/server.ts'
import { translator } from './web/i18n.ts'
import { loadStaticFiles } from './web/static.ts'

const t = translator('en')
const app = await testApp()
const person = await alice(app)
const files = loadStaticFiles()
const Count = z.object({ count: z.number() })

/** Everything a request can change, as one number. */
async function traces(): Promise<string> {
  const { count } = await app.db.one(
    Count,
    `select (select count(*) from image_jobs) + (select count(*) from sign_ins) + (select count(*) from sessions)
       + (select count(*) from image_drafts) as count`,
  )
  return `${count} ${app.mock.control.panelCalls().length} ${app.mock.control.calls().length}`
}

/** A request with exactly these headers, as no browser of the test kit would send it. */
function raw(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<{ status: number; headers: Record<string, string | string[] | undefined>; text: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const { hostname, port } = new URL(app.url)
    const call = request({ hostname, port, path, method, headers, agent: false }, res => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text: Buffer.concat(chunks).toString('utf8') })
      })
    })
    call.on('error', reject)
    call.end(body)
  })
}

const formType = { 'Content-Type': 'application/x-www-form-urlencoded' }
const cookie = `sid=${person.cookie('sid')}`

const foreign: Record<string, Record<string, string>> = {
  'a cross-site form': { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
  'a form of a sister site': { 'Sec-Fetch-Site': 'same-site', Origin: 'https://sister.example' },
  'a cross-site form with a forged origin': { 'Sec-Fetch-Site': 'cross-site', Origin: app.url },
  'a foreign origin of an old browser': { Origin: 'https://evil.example' },
  'the same host on another port': { Origin: 'http://127.0.0.1:1' },
  'a sandboxed frame': { Origin: 'null' },
  'an origin that is none': { Origin: 'nonsense' },
}
for (const [what, headers] of Object.entries(foreign)) {
  test(`${what} is refused, and changes nothing`, async () => {
    const before = await traces()
    const forms: [string, string][] = [
      ['/images', 'prompt=Paid+by+the+victim'],
      ['/login', 'email=mine@example.com&password=mine'],
      ['/logout', ''],
      ['/account/sessions/end-all', ''],
      ['/preferences', 'language=zh-CN'],
    ]
    for (const [path, body] of forms) {
      const answer = await raw(path, { method: 'POST', headers: { ...formType, ...headers, Cookie: cookie }, body })
      assert.equal(answer.status, 403, path)
      assert.equal(answer.headers['set-cookie'], undefined)
    }
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      assert.equal((await raw('/images', { method, headers: { ...headers, Cookie: cookie } })).status, 403)
    }
    assert.equal(await traces(), before)
  })
}

test('reading is allowed from anywhere, and a script without an origin may post', async () => {
  const headers = { 'Sec-Fetch-Site': 'cross-site', Cookie: cookie }
  assert.equal((await raw('/images', { headers })).status, 200, 'a link from elsewhere')
  const posted = await raw('/preferences', { method: 'POST', headers: formType, body: 'theme=dark' })
  assert.equal(posted.status, 303)
})

test('behind a proxy the public origin counts, whatever host it forwards', async () => {
  const publicOrigin = 'https://play.example.com'
  const { browser } = await app.another({ role: 'web', publicOrigin })
  const from = (Origin: string) => browser().post('/preferences', {}, { headers: { Origin, 'Sec-Fetch-Site': '' } })
  assert.equal((await from(publicOrigin)).status, 403, 'an empty Sec-Fetch-Site is not same-origin')
  const plain = await fetch(`${(await app.another({ role: 'web', publicOrigin })).running.url}/preferences`, {
    method: 'POST',
    headers: { Origin: publicOrigin },
    redirect: 'manual',
  })
  assert.equal(plain.status, 303)
})

const pages = ['/images', '/chat', '/library', '/library/trash', '/account', '/nowhere', '/images/not-an-id']

test('a page may load our own files and nothing inline', async () => {
  const guest = app.browser()
  const shown = [...(await Promise.all(pages.map(path => person.get(path)))), await guest.get('/login')]
  for (const page of shown) {
    const policy = page.headers['content-security-policy'] ?? ''
    assert.match(policy, /default-src 'none'/)
    for (const part of [
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'self'",
    ]) {
      assert.ok(policy.split('; ').includes(part), `${part} in ${policy}`)
    }
    assert.doesNotMatch(policy, /unsafe|data:|\*/)
    assert.equal(page.headers['x-content-type-options'], 'nosniff')
    assert.equal(page.headers['x-frame-options'], 'DENY')
    assert.equal(page.headers['cache-control'], 'no-store')
    assert.equal(page.headers['strict-transport-security'], undefined, 'not over plain http')
    assert.equal(page.headers['x-powered-by'], undefined)

    assert.deepEqual(page.html.querySelectorAll('script:not([src]), style, [style]').map(String), [])
    for (const element of page.html.querySelectorAll('*')) {
      const handlers = Object.keys(element.attributes).filter(name => /^(on|hx-on)/i.test(name))
      assert.deepEqual(handlers, [], String(element).slice(0, 100))
      assert.doesNotMatch(element.getAttribute('href') ?? '', /^javascript:/i)
    }
    for (const loaded of page.html.querySelectorAll('script[src], link[href]:not([rel="expect"])')) {
      const address = loaded.getAttribute('src') ?? loaded.getAttribute('href')!
      assert.equal((await guest.get(address)).status, 200, address)
    }
  }
})

test('https is insisted on where the site has it', async () => {
  const { browser } = await app.another({ role: 'web', publicOrigin: 'https://play.example.com', trustedProxies: 1 })
  const page = await browser().get('/login', { headers: { 'X-Forwarded-Proto': 'https' } })
  assert.match(page.headers['strict-transport-security'] ?? '', /max-age=31536000/)
})

test('static files are compressed and kept for ever, under an address that changes with them', async () => {
  const address = files.url('css/base.css')
  const whole = await raw(address)
  assert.equal(whole.status, 200)
  assert.equal(whole.headers['content-type'], 'text/css; charset=utf-8')
  assert.equal(whole.headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.equal(whole.headers['set-cookie'], undefined)
  assert.equal(whole.headers['x-content-type-options'], 'nosniff')
  for (const [accepted, encoding] of [
    ['br, gzip', 'br'],
    ['gzip', 'gzip'],
    ['identity', undefined],
    ['gzip;q=1, br;q=0', 'gzip'],
  ] as const) {
    const answer = await raw(address, { headers: { 'Accept-Encoding': accepted } })
    assert.equal(answer.headers['content-encoding'], encoding, accepted)
    assert.match(String(answer.headers.vary), /Accept-Encoding/)
    if (encoding) assert.ok(Number(answer.headers['content-length']) < whole.text.length / 2)
  }
  const head = await raw(address, { method: 'HEAD', headers: { 'Accept-Encoding': 'gzip' } })
  assert.equal(head.text, '')
  assert.ok(Number(head.headers['content-length']) > 0)

  const decoded = await fetch(app.url + address, { headers: { 'Accept-Encoding': 'br' } })
  assert.equal(await decoded.text(), whole.text)
})

test('what is not among the static files does not exist', async () => {
  const prefix = files.url('css/base.css').replace('css/base.css', '')
  const missing = [
    `${prefix}css/none.css`,
    `${prefix}../package.json`,
    `${prefix}..%2f..%2fpackage.json`,
    `${prefix}css`,
    prefix,
    '/static/000000000000/css/base.css',
    '/css/base.css',
    '/package.json',
    '/.env',
  ]
  for (const path of missing) {
    const answer = await raw(path)
    assert.equal(answer.status, 404, path)
    assert.doesNotMatch(String(answer.headers['cache-control']), /immutable|public/)
  }
  assert.equal((await raw(files.url('css/base.css'), { method: 'POST' })).status, 404)
})

test('what does not exist is told as a page, a fragment or JSON, as it was asked for', async () => {
  const page = await person.get('/nowhere')
  assert.equal(page.status, 404)
  assert.match(page.html.querySelector('main')!.text, new RegExp(t('errors.not_found').slice(0, 30)))
  assert.ok(page.html.querySelector('nav .purse'), 'still signed in')

  const fragment = await person.get('/nowhere', { htmx: true })
  assert.equal(fragment.status, 404)
  assert.equal(fragment.html.querySelector('html'), null)
  assert.equal(fragment.html.querySelector('hx-partial')?.getAttribute('hx-target'), '#notice')

  for (const [path, accept] of [
    ['/nowhere', 'application/json'],
    ['/api/nowhere', 'text/html'],
  ] as const) {
    const answer = await raw(path, { headers: { Accept: accept } })
    assert.equal(answer.status, 404)
    assert.deepEqual(JSON.parse(answer.text), { code: 404, message: t('errors.not_found') })
  }
})

test('bytes that make no sense are the sender’s mistake, never a fault of ours', async () => {
  for (const path of ['/images/%E0%A4%A', '/library/%', '/files/%ff', '/images/%00', '/images/%2e%2e%2f']) {
    const answer = await raw(path, { headers: { Cookie: cookie } })
    assert.ok(answer.status === 400 || answer.status === 404, `${path}: ${answer.status}`)
  }
  const bodies: [type: string, body: string | Buffer][] = [
    ['application/json', '{"email": '],
    ['application/json', 'null'],
    ['application/x-www-form-urlencoded', 'email=%E0%A4%A&password=%'],
    ['application/x-www-form-urlencoded; charset=nonsense', 'email=a'],
    ['application/x-www-form-urlencoded', Buffer.from([0xff, 0xfe, 0x00])],
    ['application/x-www-form-urlencoded', '__proto__=1&constructor=2&prompt[]=3'],
    ['multipart/form-data; boundary=x', '--x\r\nnonsense'],
    ['multipart/form-data', 'no boundary'],
    ['text/plain', 'hello'],
    ['', ''],
  ]
  for (const [type, body] of bodies) {
    for (const path of [
      '/login',
      '/login/2fa',
      '/images',
      '/images/draft',
      '/preferences',
      '/account/key',
      '/account/keys',
      '/account/balance',
    ]) {
      const headers = { ...(type && { 'Content-Type': type }), Cookie: cookie }
      const answer = await raw(path, { method: 'POST', headers, body })
      assert.ok(answer.status < 500, `${path} with ${type}: ${answer.status}`)
    }
  }
  const odd = ['sid=s%3Anonsense.nonsense', 'sid=%E0%A4%A', 'lang=%E0; theme==; tz=Nowhere/At_All', ';;;=']
  for (const Cookie of odd) {
    assert.equal((await raw('/login', { headers: { Cookie } })).status, 200, Cookie)
    assert.equal((await raw('/images', { headers: { Cookie } })).status, 303, Cookie)
  }
  for (const query of ['?next[]=1', '?next=a&next=b', '?__proto__=1', `?next=${'x'.repeat(5000)}`]) {
    assert.equal((await raw(`/login${query}`)).status, 200, query)
  }
})

test('a body beyond the limit is refused as too large, and nothing is written', async () => {
  const before = await traces()
  const headers = { ...formType, Cookie: cookie }
  const large = await raw('/images', { method: 'POST', headers, body: `prompt=${'x'.repeat(4.1 * 2 ** 20)}` })
  assert.equal(large.status, 413)
  assert.match(large.text, new RegExp(t('errors.too_large')))
  // Strangers have less to say.
  const body = `email=${'x'.repeat(65 * 1024)}`
  assert.equal((await raw('/login', { method: 'POST', headers: formType, body })).status, 413)
  const many = Array.from({ length: 500 }, (_, i) => `f${i}=1`).join('&')
  assert.equal((await raw('/images', { method: 'POST', headers, body: many })).status, 413)
  assert.equal(await traces(), before)
})

test('a page speaks the language of the browser until one is chosen', async () => {
  const lang = async (headers: Record<string, string>) =>
    /<html lang="([^"]+)"/.exec((await raw('/login', { headers })).text)?.[1]
  assert.equal(await lang({}), 'en')
  assert.equal(await lang({ 'Accept-Language': 'zh-TW,zh;q=0.9,en;q=0.8' }), 'zh-CN')
  assert.equal(await lang({ 'Accept-Language': 'de,en;q=0.5,zh;q=0.7' }), 'zh-CN')
  assert.equal(await lang({ 'Accept-Language': 'zh;q=0, fr' }), 'en')
  assert.equal(await lang({ 'Accept-Language': ',;q=,=;;' }), 'en')
  assert.equal(await lang({ 'Accept-Language': 'en', Cookie: 'lang=zh-CN' }), 'zh-CN')
  assert.equal(await lang({ 'Accept-Language': 'en', Cookie: 'lang=xx' }), 'en')

  const guest = app.browser()
  const answer = await guest.post('/preferences', { language: 'zh-CN', back: '/login?next=/library' })
  assert.equal(answer.location, '/login?next=/library')
  const page = await guest.get(answer.location)
  assert.equal(page.html.querySelector('html')?.getAttribute('lang'), 'zh-CN')
  assert.match(page.text, new RegExp(translator('zh-CN')('session.heading')))
  assert.match(page.headers.vary ?? '', /Accept-Language/)
  assert.match(page.headers.vary ?? '', /Cookie/)
})

test('a time zone is one zone however its cookie spells it, and none is made up', async () => {
  const sid = `sid=${person.cookie('sid')}`
  const zones: [tz: string, shown: string][] = [
    ['eUrOpE%2FbErLiN', 'Europe/Berlin'],
    ['Nowhere%2FAt_All', 'UTC'],
    ['', 'UTC'],
  ]
  for (const [tz, shown] of zones) {
    const page = await app.browser().get('/account', { headers: { Cookie: `${sid}; tz=${tz}` } })
    const zone = page.html.querySelectorAll('dt').find(term => term.text === t('account.time_zone'))
    assert.match(zone?.nextElementSibling?.text ?? '', new RegExp(`^${shown} `), tz)
  }
})

test('the theme is on the page before anything is painted', async () => {
  const guest = app.browser()
  const theme = async () => (await guest.get('/login')).html.querySelector('html')?.getAttribute('data-theme')
  assert.equal(await theme(), 'system')
  for (const chosen of ['dark', 'light', 'system']) {
    await guest.post('/preferences', { theme: chosen, back: '/login' })
    assert.equal(await theme(), chosen)
  }
  await guest.post('/preferences', { theme: '"><script>', language: 'tlh' })
  assert.equal(await theme(), 'system')
})

test('a request leaves one line in the log, with its id and without its query or body', async () => {
  app.logs.length = 0
  const answer = await raw('/login?next=%2Fsecret-place&token=abc', {
    headers: { Cookie: cookie, Authorization: 'Bearer abc' },
  })
  const id = String(answer.headers['x-request-id'])
  const mine = () => app.logs.filter(line => line.includes(id))
  await until('the line', async () => mine().length > 0)
  assert.equal(mine().length, 1)
  const line = JSON.parse(mine()[0]!) as Record<string, unknown>
  assert.deepEqual([line.method, line.path, line.status, line.level], ['GET', '/login', 303, 'info'])
  assert.equal(line.user, app.mock.control.user(person.email).id)

  await raw('/images', { method: 'POST', headers: { ...formType, Cookie: cookie }, body: 'prompt=&n=confidential' })
  await until('the next line', async () => app.logs.length > 1)
  assert.doesNotMatch(app.logs.join('\n'), /secret-place|confidential|Bearer|next=/)
})

test('a token of a picture is not told to the log', async () => {
  app.logs.length = 0
  const token = 'abcdefGHIJKL0123456789-_abcdefGH'
  const id = '8f14e45f-ceea-467f-9575-2a1c1c1c1c1c'
  await raw(`/files/${token}/thumb`, { headers: { Cookie: cookie } })
  await raw(`/library/${id}`, { headers: { Cookie: cookie } })
  await until('both lines', async () => app.logs.length > 1)
  const paths = app.logs.map(line => (JSON.parse(line) as { path: string }).path)
  assert.deepEqual(paths, ['/files/abcdef…/thumb', `/library/${id}`])
})

test('a fault of ours is told by its number, and the log does not repeat what was typed', async () => {
  app.logs.length = 0
  await app.db.run(`alter table image_jobs add constraint planted check (prompt <> 'A confidential fox')`)
  try {
    const page = await person.post('/images', { prompt: 'A confidential fox' })
    assert.equal(page.status, 500)
    assert.match(page.text, new RegExp(String(page.headers['x-request-id'])))
    assert.doesNotMatch(page.text, /planted|image_jobs|node:|\/src\//)
    await until('its line', async () => app.logs.some(line => line.includes('request failed')))
    assert.match(app.logs.join('\n'), /planted/)
    assert.doesNotMatch(app.logs.join('\n'), /confidential fox/)
  } finally {
    await app.db.run('alter table image_jobs drop constraint planted')
  }
})

test('the numbers name routes and outcomes, never people or ids', async () => {
  await raw('/images/8f14e45f-ceea-467f-9575-2a1c1c1c1c1c', { headers: { Cookie: cookie } })
  const { text, headers } = await raw('/metrics')
  assert.match(String(headers['content-type']), /^text\/plain/)
  assert.match(text, /playground_http_request_seconds_count\{method="GET",route="\/images\/:id",status="4xx"\} \d/)
  assert.match(text, /playground_gateway_call_seconds_count\{call="login",outcome="200"\} \d/)
  assert.match(text, /process_resident_memory_bytes \d/)
  assert.doesNotMatch(text, /8f14e45f|example\.com/)
})

test('while the database is away it says so, and it comes back by itself', async () => {
  const postgres = await restartablePostgres()
  const { running, browser } = await app.another({ databaseUrl: postgres.url, role: 'all' })
  after(() => running.stop())
  const visitor = browser()
  const form = { email: 'visitor@example.com', password: 'password of a visitor' }
  assert.equal((await visitor.post('/login', form)).status, 303)
  assert.equal((await visitor.get('/images')).status, 200)

  await postgres.stop('SIGKILL')
  assert.equal((await visitor.get('/health')).status, 200)
  const unready = await visitor.get('/ready')
  assert.equal(unready.status, 503)
  assert.equal((JSON.parse(unready.text) as { database: string }).database, 'failed')
  for (const [what, ask] of outages(visitor as Person)) {
    const answer = await ask()
    assert.equal(answer.status, 503, what)
    assert.equal(answer.headers['retry-after'], '5', what)
    assert.match(answer.text, new RegExp(t('errors.unavailable')), what)
  }
  assert.equal((await browser().get('/login')).status, 200, 'needs no database')

  await postgres.start()
  await until('ready again', async () => (await visitor.get('/ready')).status === 200)
  assert.equal((await visitor.get('/images')).status, 200, 'still signed in')
  const made = await visitor.post('/account/balance')
  assert.equal(made.status, 303)
})

function outages(visitor: Person): [string, () => ReturnType<Person['get']>][] {
  return [
    ['a page', () => visitor.get('/images')],
    ['a fragment', () => visitor.get('/images', { htmx: true })],
    ['a form', () => visitor.post('/images', { prompt: 'x' })],
    ['a sign-in', () => visitor.post('/login', { email: 'a@b.cc', password: 'c' })],
    ['a sign-out', () => visitor.post('/logout')],
  ]
}
