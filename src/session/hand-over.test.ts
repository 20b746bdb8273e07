import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { Browser, Page, Visit } from '../testing/browser.ts'
import { signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { translator } from '../web/i18n.ts'

const t = translator('en')
const embedOrigin = 'https://gateway.example.com'
const app = await testApp({ embedOrigin, publicOrigin: 'http://127.0.0.1' })
const closed = await testApp()
const Count = z.object({ count: z.number() })

let number = 0

/** An access token as the gateway's site has it, and whose it is. */
async function atGateway(email = `menu${++number}@example.com`): Promise<{ email: string; token: string }> {
  const answer = await fetch(`${app.mock.url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password: `password of ${email}` }),
  })
  const { data } = z.object({ data: z.object({ access_token: z.string() }) }).parse(await answer.json())
  return { email, token: data.access_token }
}

function addressed(token: string, path = '/', more: Record<string, string> = {}): string {
  const [route, query = ''] = path.split('?')
  const search = new URLSearchParams(query)
  const fixed = {
    user_id: '1',
    token,
    theme: 'dark',
    lang: 'zh-CN',
    ui_mode: 'embedded',
    src_host: embedOrigin,
    src_url: `${embedOrigin}/custom/1`,
    ...more,
  }
  for (const [name, value] of Object.entries(fixed)) search.set(name, value)
  return `${route}?${search.toString()}`
}

/** Keeps what it is given for https in a frame also over http, as browsers do on this very machine. */
function open(site = app): Browser {
  const browser = site.browser()
  const withCookies = <T extends (visit: Visit) => unknown>(send: T, { headers, ...visit }: Visit = {}) => {
    const Cookie = ['sid', 'lang', 'theme'].map(name => `${name}=${browser.cookie(name) ?? ''}`).join('; ')
    return send({ ...visit, headers: { Cookie, ...headers } }) as ReturnType<T>
  }
  return {
    ...browser,
    get: (path, visit) => withCookies(more => browser.get(path, more), visit),
    post: (path, form, visit) => withCookies(more => browser.post(path, form, more), visit),
  }
}

const framed = { 'Sec-Fetch-Dest': 'iframe', 'Sec-Fetch-Site': 'cross-site' }
const fromMenu = { ...framed, Referer: `${embedOrigin}/` }
const fromElsewhere = { ...framed, Referer: 'https://evil.example/' }

/** Comes by the gateway's menu and goes where it is led; the last page, and every address on the way. */
async function comeIn(browser: Browser, address: string, headers: Record<string, string> = fromMenu) {
  const way: string[] = []
  let page = await browser.get(address, { headers })
  for (
    ;
    page.location && way.length < 10;
    page = await browser.get(page.location, { headers: headers['Sec-Fetch-Dest'] === 'iframe' ? framed : {} })
  )
    way.push(page.location)
  return { page, way }
}

function cookieLines(page: Page): string[] {
  return [page.headers['set-cookie'] ?? []].flat()
}

async function whoIs(browser: Browser): Promise<string> {
  const account = await browser.get('/account')
  return account.status === 200 ? account.html.querySelector('.page-head .muted')!.text : 'nobody'
}

test("who comes by the gateway's menu is signed in and where they meant to go, by addresses that hide nothing", async () => {
  const { email, token } = await atGateway()
  const browser = open()
  const { page, way } = await comeIn(browser, addressed(token, '/library?filter=favourites'))
  assert.deepEqual(way, ['/hand-over', '/library?filter=favourites'])
  assert.equal(page.status, 200)
  assert.match(await whoIs(browser), new RegExp(email))
})

test('theme and language of the address are taken over', async () => {
  const { token } = await atGateway()
  const { page } = await comeIn(open(), addressed(token, '/images', { theme: 'dark', lang: 'zh' }))
  const root = page.html.querySelector('html')!
  assert.deepEqual([root.getAttribute('lang'), root.getAttribute('data-theme')], ['zh-CN', 'dark'])
  const odd = await comeIn(open(), addressed((await atGateway()).token, '/images', { theme: '<', lang: 'xx' }))
  assert.equal(odd.page.html.querySelector('html')!.getAttribute('data-theme'), 'system')
})

test('the token is in no log, answer, row or address: whether it was taken, refused, or nobody asked for it', async () => {
  const { token } = await atGateway()
  const marker = 'marker0123456789abcdef0123456789'
  const answers: Page[] = []
  for (const each of [token, marker, `${token}x`]) {
    for (const site of [app, closed]) {
      for (const headers of [fromMenu, fromElsewhere, {}])
        answers.push(await site.browser().get(addressed(each, '/nowhere'), { headers }))
    }
  }
  const told = answers.map(({ text, headers }) => text + JSON.stringify(headers)).join()
  const logged = [...app.logs, ...closed.logs].join()
  for (const secret of [token, marker]) {
    assert.ok(!told.includes(secret), 'an answer has it')
    assert.ok(!logged.includes(secret), 'a log has it')
  }
  for (const answer of answers) {
    assert.equal(answer.status, 303)
    assert.equal(answer.headers['referrer-policy'], 'no-referrer')
    assert.equal(answer.headers['cache-control'], 'no-store')
  }
})

test('unless it is switched on, the address is cleaned and nobody is signed in', async () => {
  const browser = closed.browser()
  const answer = await browser.get(addressed('a token of anybody', '/gallery?q=fox'))
  assert.deepEqual([answer.status, answer.location, browser.cookie('sid')], [303, '/gallery?q=fox', undefined])
  const page = await browser.get('/gallery')
  assert.equal(page.headers['x-frame-options'], 'DENY')
  assert.match(page.headers['content-security-policy']!, /frame-ancestors 'none'/)
})

test("only pages of the gateway's own site may frame ours", async () => {
  const page = await open().get('/login')
  assert.match(page.headers['content-security-policy']!, /frame-ancestors https:\/\/gateway\.example\.com(;|$)/)
  assert.equal(page.headers['x-frame-options'], undefined)
})

test('the cookies of a frame are for that frame: SameSite=None; Secure; Partitioned; those of a tab are as ever', async () => {
  const inFrame = await open().get(addressed((await atGateway()).token), { headers: fromMenu })
  for (const line of cookieLines(inFrame)) assert.match(line, /Secure.*Partitioned|Partitioned.*Secure/)
  for (const line of cookieLines(inFrame)) assert.match(line, /SameSite=None/)
  assert.ok(cookieLines(inFrame).some(line => line.startsWith('sid=') && /HttpOnly/.test(line)))
  const inTab = await open().get(addressed((await atGateway()).token), { headers: {} })
  assert.ok(cookieLines(inTab).length > 0)
  for (const line of cookieLines(inTab)) assert.match(line, /SameSite=Lax/)
  for (const line of cookieLines(inTab)) assert.doesNotMatch(line, /Partitioned/)
})

test('a frame that is signed in keeps its kind of cookie through sign-in, preferences and sign-out', async () => {
  const browser = open()
  await browser.get(addressed((await atGateway()).token), { headers: fromMenu })
  for (const page of [
    await browser.get('/hand-over', { headers: framed }),
    await browser.post('/preferences', { theme: 'light', back: '/images' }),
    await browser.post('/logout'),
  ]) {
    assert.ok(cookieLines(page).length > 0)
    for (const line of cookieLines(page)) assert.match(line, /Partitioned/)
  }
})

for (const [where, headers] of Object.entries({
  'another site': fromElsewhere,
  'who knows where': framed,
  "a link, though of the gateway's site": { Referer: `${embedOrigin}/`, 'Sec-Fetch-Dest': 'document' },
})) {
  test(`who comes from ${where} is asked before they are signed in as anybody`, async () => {
    const { email, token } = await atGateway()
    const browser = open()
    const { page } = await comeIn(browser, addressed(token, '/images', { lang: 'en' }), headers)
    assert.match(page.text, new RegExp(`Continue as ${email}`))
    assert.equal(await whoIs(browser), 'nobody')
    const elsewhere = { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }
    assert.equal((await browser.post('/hand-over', {}, { headers: elsewhere })).status, 403)
    assert.equal(await whoIs(browser), 'nobody')
    const answer = await browser.post('/hand-over')
    assert.deepEqual([answer.status, answer.location], [303, '/images'])
    assert.match(await whoIs(browser), new RegExp(email))
  })
}

test('who is signed in as somebody else is told both names, and stays who they are unless they say so', async () => {
  const browser = await signedIn(app, 'first@example.com', open())
  const { email, token } = await atGateway()
  const { page } = await comeIn(browser, addressed(token, '/images', { lang: 'en' }))
  assert.match(page.text, new RegExp(email))
  assert.match(page.text, new RegExp(browser.email))
  assert.match(await whoIs(browser), new RegExp(browser.email))
  assert.equal((await browser.post('/hand-over')).status, 303)
  assert.match(await whoIs(browser), new RegExp(email))
})

test('who is signed in for longer already stays so; a sign-in that only lasts is replaced by a later one', async () => {
  const browser = await signedIn(app, 'both@example.com', open())
  const { token } = await atGateway('both@example.com')
  assert.deepEqual((await comeIn(browser, addressed(token, '/images'))).way, ['/images'])
  const frame = open()
  for (const each of [token, (await atGateway('both@example.com')).token])
    assert.equal((await comeIn(frame, addressed(each, '/images'))).page.status, 200)
  const { count } = await app.db.one(
    Count,
    `select count(*) from sign_ins s join users u on u.id = s.user_id where email = $1`,
    ['both@example.com'],
  )
  assert.equal(count, 2)
})

test('a browser that keeps no cookie in a frame is offered a window of its own, and never sent in a circle', async () => {
  const { token } = await atGateway()
  const first = await open().get(addressed(token), { headers: fromMenu })
  assert.equal(first.location, '/hand-over')
  const page = await open().get('/hand-over', { headers: framed })
  assert.equal(page.status, 200)
  const link = page.html.querySelector('a.primary')!
  assert.deepEqual([link.getAttribute('target'), link.text], ['_blank', t('session.own_window')])
  const login = await open().get('/login?next=%2Fimages', { headers: framed })
  assert.equal(login.html.querySelector('[type="password"]'), null)
  assert.match(login.html.querySelector('a.primary')!.getAttribute('href')!, /^\/login\?next=%2Fimages/)
})

test('a token that the gateway refuses, or cannot be asked about, signs nobody in and says why', async () => {
  for (const [token, sentence] of [
    ['nonsense', t('session.handed_refused')],
    [(await atGateway('disabled@example.com').catch(() => ({ token: 'x.y.z' }))).token, t('session.handed_refused')],
  ] as const) {
    const browser = open()
    const { page } = await comeIn(browser, addressed(token, '/images', { lang: 'en' }))
    assert.ok(page.text.includes(sentence.slice(0, 40)), page.text)
    assert.equal(await whoIs(browser), 'nobody')
  }
  const away = await app.another({ upstream: 'http://127.0.0.1:1' })
  const { page } = await comeIn(away.browser(), addressed('a.b.c', '/images', { lang: 'en' }))
  assert.ok(page.text.includes(t('session.gateway_down').slice(0, 30)))
})

test('a sign-in that cannot be renewed lasts until it expires, is over at once then for every request, and says so', async () => {
  app.mock.state.settings.accessTokenSeconds = 240
  const { email, token } = await atGateway()
  app.mock.state.settings.accessTokenSeconds = 86_400
  const browser = open()
  await comeIn(browser, addressed(token, '/images', { lang: 'en' }))
  assert.match(await whoIs(browser), new RegExp(email), 'not given up minutes before')
  await app.db.run(
    `update sign_ins set renew_at = now() - interval '1 second' where user_id = (select id from users where email = $1)`,
    [email],
  )
  assert.match((await browser.post('/library/folders', { name: 'x' })).location, /^\/login\?/)
  const asked = await browser.get('/library', { headers: framed })
  const page = await browser.get(asked.location, { headers: framed })
  assert.ok(page.text.includes(t('session.expired_framed').slice(0, 40)))
  assert.equal((await browser.get('/images', { htmx: true })).status, 401)
})

test('a window that a frame opens brings a ticket, good once, and is signed in as the frame is', async () => {
  const { email, token } = await atGateway()
  const frame = open()
  await comeIn(frame, addressed(token, '/images', { lang: 'en' }))
  const { text: address } = await frame.post('/hand-over/window', { to: '/library' })
  assert.match(address, /^\/hand-over\/window\/[\w-]{32}$/)
  const tab = open()
  const { page } = await comeIn(tab, address, { 'Sec-Fetch-Site': 'same-origin' })
  assert.equal(page.status, 200)
  assert.match(await whoIs(tab), new RegExp(email))
  assert.equal((await open().get(address)).location, '/login')
  assert.ok(!app.logs.join().includes(address.split('/').pop()!), 'no log has the ticket')
})

test('a ticket that somebody else sends is asked about first, and one that is old is none', async () => {
  const { email, token } = await atGateway()
  const frame = open()
  await comeIn(frame, addressed(token, '/images', { lang: 'en' }))
  const ticket = async () => (await frame.post('/hand-over/window', { to: '//evil.example' })).text
  const sent = open()
  const asked = (await comeIn(sent, await ticket(), { 'Sec-Fetch-Site': 'cross-site' })).page
  assert.match(asked.text, new RegExp(`Continue as ${email}`))
  assert.equal(await whoIs(sent), 'nobody')
  assert.equal((await sent.post('/hand-over')).location, '/')
  const old = await ticket()
  await app.db.run(`update window_tickets set expires_at = now() - interval '1 second'`)
  assert.equal((await open().get(old)).location, '/login')
  assert.match((await open().post('/hand-over/window', { to: '/' })).location, /^\/login/)
})

test("charlie's own hand-over tells him nothing of alice", async () => {
  const owner = open()
  await owner.get(addressed((await atGateway('owner@example.com')).token), { headers: fromElsewhere })
  const charlie = open()
  await comeIn(charlie, addressed((await atGateway('charlie@example.com')).token))
  assert.equal((await charlie.post('/hand-over')).location, '/')
  assert.match(await whoIs(charlie), /charlie@/)
})

test('so many tries from one address, and no more', async () => {
  const few = await app.another({ limits: { ...app.config.limits, signInsPerMinute: 2 } })
  const locations: string[] = []
  await until('too many', async () => {
    locations.push((await few.browser().get(addressed('a.b.c'), { headers: fromMenu })).location)
    return locations.at(-1)?.endsWith('busy')
  })
  assert.ok(locations.length <= 4, locations.join())
})
