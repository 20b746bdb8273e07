import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import type { Browser, Page } from '../testing/browser.ts'
import { alice, charlie, signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { type Key, translator } from '../web/i18n.ts'

const t = translator('en')
const app = await testApp()
const { control } = app.mock
const Count = z.object({ count: z.number() })

function signIn(browser: Browser, email: string, fields: Record<string, string> = {}): Promise<Page> {
  return browser.post('/login', { email, password: `password of ${email}`, ...fields })
}

function alertOf(page: Page): string {
  return page.html.querySelector('[role="alert"]')?.text.trim() ?? ''
}

async function isSignedIn(browser: Browser): Promise<boolean> {
  return (await browser.get('/account')).status === 200
}

async function signInsOf(email: string): Promise<number> {
  const { count } = await app.db.one(
    Count,
    `select count(*) from sign_ins s join users u on u.id = s.user_id where email = $1`,
    [email],
  )
  return count
}

function refreshTokensOf(email: string): number {
  const { id } = control.user(email)
  return [...app.mock.state.refreshTokens.values()].filter(token => token.userId === id).length
}

function hashOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url')
}

test('somebody who is not signed in is sent to sign in, and back to where they were', async () => {
  const guest = app.browser()
  const asked = await guest.get('/library?filter=favourites')
  assert.equal(asked.status, 303)
  assert.equal(asked.location, '/login?next=%2Flibrary%3Ffilter%3Dfavourites')

  const login = await guest.get(asked.location)
  assert.equal(login.html.querySelector('[role="status"].notice'), null, 'nothing has ended on a first visit')
  const next = login.html.querySelector('[name="next"]')?.getAttribute('value') ?? ''
  const answer = await signIn(guest, 'back@example.com', { next })
  assert.equal(answer.status, 303)
  assert.equal(answer.location, '/library?filter=favourites')
  assert.equal((await guest.get(answer.location)).status, 200)
})

test('a signed-in browser is not asked to sign in again; a guest begins in the gallery', async () => {
  const person = await alice(app)
  const login = await person.get('/login?next=/library')
  assert.equal(login.status, 303)
  assert.equal(login.location, '/library')
  assert.equal((await person.get('/')).location, '/images')
  assert.equal((await app.browser().get('/')).location, '/gallery')
})

const refusals: [what: string, email: string, password: string, status: number, sentence: Key][] = [
  ['a wrong password', 'somebody@example.com', 'wrong', 401, 'session.wrong_password'],
  ['a disabled account', 'disabled@example.com', 'secret enough for this', 403, 'session.disabled'],
  ['no e-mail address', 'nonsense', 'secret enough for this', 422, 'session.email_invalid'],
  ['no password', 'somebody@example.com', '', 422, 'session.password_missing'],
]
for (const [what, email, password, status, sentence] of refusals) {
  test(`${what} is told in a sentence of its own`, async () => {
    const guest = app.browser()
    const answer = await guest.post('/login', { email, password, next: '/library' })
    assert.equal(answer.status, status)
    assert.equal(alertOf(answer), t(sentence))
    assert.equal(answer.html.querySelector('[name="email"]')?.getAttribute('value'), email, 'the e-mail stays')
    assert.equal(answer.html.querySelector('[name="password"]')?.getAttribute('value'), undefined)
    assert.equal(answer.html.querySelector('[name="next"]')?.getAttribute('value'), '/library')
    assert.equal(await isSignedIn(guest), false)
  })
}

test('fields sent twice, far too long or not at all are refused like wrong ones', async () => {
  for (const body of ['', 'email=a@b.cc&email=c@d.ee&password=x', `email=a@b.cc&password=${'x'.repeat(1001)}`]) {
    const answer = await fetch(`${app.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
    })
    assert.equal(answer.status, 422, body.slice(0, 40))
  }
})

test('when the gateway limits sign-ins its waiting time is passed on', async () => {
  const answer = await signIn(app.browser(), 'limited@example.com')
  assert.equal(answer.status, 429)
  const seconds = Number(answer.headers['retry-after'])
  assert.ok(seconds > 30 && seconds <= 42, `Retry-After: ${seconds}`)
  assert.equal(alertOf(answer), t('session.rate_limited', { seconds }))
})

test('of forty sign-ins a minute from one address twenty are let through, over all processes', async () => {
  const changes = { role: 'web' as const, trustedProxies: 1, limits: { ...app.config.limits, signInsPerMinute: 20 } }
  const processes = [await app.another(changes), await app.another(changes)]
  const headers = { 'X-Forwarded-For': '203.0.113.50' }
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      const email = `crowd${i}@example.com`
      return processes[i % 2]!.browser().post('/login', { email, password: `password of ${email}` }, { headers })
    }),
  )
  assert.equal(answers.filter(answer => answer.status === 303).length, 20)
  const refused = answers.filter(answer => answer.status === 429)
  assert.equal(refused.length, 20)
  for (const answer of refused) {
    const seconds = Number(answer.headers['retry-after'])
    assert.ok(seconds >= 1 && seconds <= 60)
    assert.equal(alertOf(answer), t('session.rate_limited', { seconds }))
  }

  const elsewhere = { headers: { 'X-Forwarded-For': '203.0.113.51' } }
  const email = 'not-in-the-crowd@example.com'
  const answer = await processes[0]!.browser().post('/login', { email, password: `password of ${email}` }, elsewhere)
  assert.equal(answer.status, 303, 'another address has its own count')
})

test('addresses that one sender commands are one address', async () => {
  const limits = { ...app.config.limits, signInsPerMinute: 3 }
  const process = await app.another({ role: 'web', trustedProxies: 1, limits })
  let sender = 0
  const triedFrom = async (addresses: string[]) => {
    const statuses: number[] = []
    for (const address of addresses) {
      const visit = { headers: { 'X-Forwarded-For': address } }
      const email = `from-${++sender}@example.com`
      statuses.push((await process.browser().post('/login', { email, password: `password of ${email}` }, visit)).status)
    }
    return statuses
  }
  const oneNetwork = ['2001:db8:1:2::1', '2001:DB8:1:2:8000::', '2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::9']
  assert.deepEqual(await triedFrom(oneNetwork), [303, 303, 303, 429])
  assert.deepEqual(await triedFrom(['2001:db8:1:3::1']), [303], 'the neighbour has its own count')
  const oneHost = ['198.51.100.7', '::ffff:198.51.100.7', '::ffff:c633:6407', '::FFFF:198.51.100.7']
  assert.deepEqual(await triedFrom(oneHost), [303, 303, 303, 429])
  assert.deepEqual(await triedFrom(['::ffff:198.51.100.8']), [303], 'and so has another host')
})

test('one e-mail is tried twenty times a minute from one address, and a hundred times from all', async () => {
  const limits = { ...app.config.limits, signInsPerMinute: 1000 }
  const process = await app.another({ role: 'web', trustedProxies: 1, limits })
  const guess = (email: string, address: string, browser = process.browser()) =>
    browser.post('/login', { email, password: 'wrong' }, { headers: { 'X-Forwarded-For': address } })
  const statusesOf = async (answers: Promise<Page>[]) => (await Promise.all(answers)).map(({ status }) => status)
  const count = (statuses: number[], status: number) => statuses.filter(each => each === status).length

  const one = await statusesOf(Array.from({ length: 25 }, () => guess('Target@example.com', '203.0.113.100')))
  assert.deepEqual([count(one, 401), count(one, 429)], [20, 5])
  const many = await statusesOf(
    Array.from({ length: 90 }, (_, i) => guess('target@example.com', `203.0.113.${110 + (i % 10)}`)),
  )
  assert.deepEqual([count(many, 401), count(many, 429)], [80, 10], 'a hundred in all')
})

test('the owner of an e-mail that is tried from everywhere signs in with their own browser, ten times a minute', async () => {
  const email = 'besieged@example.com'
  const process = await app.another({ role: 'web', trustedProxies: 1 })
  const from = { headers: { 'X-Forwarded-For': '203.0.113.80' } }
  const mine = process.browser()
  await signIn(mine, email)
  assert.equal((await mine.post('/logout')).status, 303)
  assert.match(mine.cookie('known') ?? '', /^\d+\.[\w-]{43}$/, 'names nothing but the id')
  await Promise.all(
    Array.from({ length: 120 }, (_, i) => {
      const visit = { headers: { 'X-Forwarded-For': `203.0.114.${i % 10}` } }
      return process.browser().post('/login', { email, password: 'wrong' }, visit)
    }),
  )
  const right = { email, password: `password of ${email}` }
  assert.equal((await process.browser().post('/login', right, from)).status, 429, 'another browser is kept out')
  assert.equal((await mine.post('/login', right, from)).status, 303)
  await mine.post('/logout')
  const tries = []
  for (let i = 0; i < 10; i++) tries.push((await mine.post('/login', { email, password: 'wrong' }, from)).status)
  assert.deepEqual(tries, [...Array<number>(9).fill(401), 429], 'one was used before')

  const other = { email: 'another-besieged@example.com', password: 'wrong' }
  assert.equal((await mine.post('/login', other, from)).status, 401, 'at any other e-mail it is like all browsers')
  const forged = process.browser()
  const cookie = `known=${control.user(email).id}.${'A'.repeat(43)}`
  assert.equal((await forged.post('/login', right, { headers: { ...from.headers, Cookie: cookie } })).status, 429)
})

test('e-mail addresses are the gateway’s to judge', async () => {
  for (const email of ['josé@example.com', 'user@bücher.example', '用户@例子.广告']) {
    const person = app.browser()
    assert.equal((await signIn(person, email)).status, 303, email)
    assert.equal(await isSignedIn(person), true)
  }
  const refused = await signIn(app.browser(), 'no-dot@example')
  assert.deepEqual([refused.status, alertOf(refused)], [422, t('session.email_invalid')], 'and it refuses this one')
})

test('a code may be typed with full-width digits', async () => {
  const person = app.browser()
  await signIn(person, '2fa+wide@example.com')
  assert.equal((await person.post('/login/2fa', { code: '１２３　４５６' })).status, 303)
  assert.equal(await isSignedIn(person), true)
})

test('a gateway that has moved is said to have, and where', async () => {
  const location = 'https://new.example/api/v1/auth/login?ticket=x'
  const reply = { status: 301, headers: { location }, body: '' }
  control.fault({ match: { path: '/api/v1/auth/login' }, reply })
  const answer = await signIn(app.browser(), 'moved@example.com')
  assert.equal(answer.status, 503)
  assert.equal(alertOf(answer), t('session.gateway_moved', { address: 'https://new.example/api/v1/auth/login' }))
})

test('what a proxy says of the address is used where it is one, without its port', async () => {
  const { browser } = await app.another({ role: 'web', trustedProxies: 1 })
  const seen = async (said: string) => {
    const email = 'proxied@example.com'
    const form = { email, password: `password of ${email}` }
    assert.equal((await browser().post('/login', form, { headers: { 'X-Forwarded-For': said } })).status, 303)
    return control.panelCalls({ email }).at(-1)!.ip
  }
  assert.equal(await seen('203.0.113.9'), '203.0.113.9')
  assert.equal(await seen('6.6.6.6, 203.0.113.9:51234'), '203.0.113.9')
  assert.equal(await seen('::ffff:203.0.113.9'), '203.0.113.9')
  assert.equal(await seen('[2001:db8::9]:443'), '2001:db8::9')
  assert.equal(await seen('unknown'), '127.0.0.1')
})

test('the sign-in page does not wait for a gateway that says nothing', async () => {
  const silent = control.fault({ match: { path: '/api/v1/settings/public' }, hold: 'before_headers' })
  // A gateway call would wait for longer than the test does.
  const { browser } = await app.another({ role: 'web', gatewayTimeouts: { panel: 600_000 } })
  try {
    let page: Page | undefined
    void browser()
      .get('/login')
      .then(shown => {
        page = shown
      })
    const shown = await until('the page', async () => page)
    assert.equal(shown.status, 200)
    assert.equal(alertOf(shown), t('session.gateway_down'))
  } finally {
    control.release(silent)
  }
  await until('the settings, heard in the meantime', async () => alertOf(await browser().get('/login')) === '')
})

test('the sign-in page names the gateway by its address where it tells no name that can be seen', async () => {
  const accountOn = (page: Page) => page.html.querySelector('.sign-in > .muted')!.text
  const down = await app.another({ role: 'web', upstream: 'http://127.0.0.1:9' })
  assert.equal(accountOn(await down.browser().get('/login')), t('session.with_account', { site: '127.0.0.1:9' }))
  const { site_name: name } = app.mock.state.settings.site
  try {
    for (const unseen of ['', '  ', '\u200b']) {
      control.set({ site: { site_name: unseen } as typeof app.mock.state.settings.site })
      const fresh = await app.another({ role: 'web' })
      const page = await fresh.browser().get('/login')
      assert.equal(accountOn(page), t('session.with_account', { site: new URL(app.mock.url).host }))
    }
  } finally {
    control.set({ site: { site_name: name } as typeof app.mock.state.settings.site })
  }
})

test('an outage of the gateway is not worded as the fault of the person', async () => {
  control.fault({ match: { path: '/api/v1/auth/login', email: 'patient@example.com' }, reply: 'panel_unavailable' })
  const down = await signIn(app.browser(), 'patient@example.com')
  assert.equal(down.status, 503)
  assert.equal(alertOf(down), t('session.gateway_down'))

  const lonely = await app.another({ role: 'web', upstream: 'http://127.0.0.1:9' })
  const page = await lonely.browser().get('/login')
  assert.equal(page.status, 200)
  assert.equal(alertOf(page), t('session.gateway_down'), 'told before anything is typed')
  const answer = await signIn(lonely.browser(), 'patient@example.com')
  assert.equal(answer.status, 503)
  assert.equal(alertOf(answer), t('session.gateway_down'))
  assert.equal((await signIn(app.browser(), 'patient@example.com')).status, 303)
})

test('a code is asked for, may be tried again, and signs in', async () => {
  const person = app.browser()
  const asked = await signIn(person, '2fa+one@example.com', { next: '/library' })
  assert.equal(asked.status, 303)
  assert.equal(asked.location, '/login/2fa')
  assert.equal(await isSignedIn(person), false)
  assert.ok(person.cookie('sid'))

  const page = await person.get('/login/2fa')
  assert.match(page.html.querySelector('main')!.text, /2\*\*\*e@example\.com/)
  assert.equal(
    page.html.querySelector('form[action="/login/2fa"] [name="code"]')?.getAttribute('autocomplete'),
    'one-time-code',
  )

  const before = person.cookie('sid')
  for (const code of ['918273', '12345', 'abcdef', '']) {
    const wrong = await person.post('/login/2fa', { code })
    assert.ok(wrong.status === 400 || wrong.status === 422, `${code}: ${wrong.status}`)
    assert.equal(alertOf(wrong), t('session.code_wrong'))
  }
  const right = await person.post('/login/2fa', { code: '123 456' })
  assert.equal(right.status, 303)
  assert.equal(right.location, '/library')
  assert.notEqual(person.cookie('sid'), before)
  assert.equal(await isSignedIn(person), true)

  assert.equal(
    app.logs.find(line => line.includes('918273')),
    undefined,
    'no code is ever logged',
  )
  assert.equal((await person.get('/login/2fa')).location, '/login', 'nothing is pending any more')
})

test('after five minutes, ours or the gateway’s, the code page leads back to the password', async () => {
  const late = app.browser()
  await signIn(late, '2fa+late@example.com')
  await app.db.run(`update sessions set sess = jsonb_set(sess::jsonb, '{twoFactor,expiresAt}', '1')
    where sess::jsonb #>> '{twoFactor,email}' = '2fa+late@example.com'`)
  const answer = await late.post('/login/2fa', { code: '123456' })
  assert.equal(answer.status, 401)
  assert.equal(alertOf(answer), t('session.code_expired'))
  assert.equal(answer.html.querySelector('[name="email"]')?.getAttribute('value'), '2fa+late@example.com')
  assert.equal((await late.post('/login/2fa', { code: '123456' })).location, '/login')

  const forgotten = app.browser()
  await signIn(forgotten, '2fa+forgotten@example.com')
  app.mock.state.tempTokens.clear()
  assert.equal(alertOf(await forgotten.post('/login/2fa', { code: '123456' })), t('session.code_expired'))
  assert.equal(await isSignedIn(forgotten), false)
})

test('too many wrong codes have their own sentence', async () => {
  const person = app.browser()
  await signIn(person, '2fa+guess@example.com')
  for (let i = 0; i < 5; i++) await person.post('/login/2fa', { code: '000000' })
  const answer = await person.post('/login/2fa', { code: '123456' })
  assert.equal(answer.status, 429)
  assert.equal(alertOf(answer), t('session.code_too_many'))
  assert.equal(await isSignedIn(person), false)
})

test('a gateway with Turnstile gets its widget, and only the sign-in page may load it', async () => {
  control.set({ site: { turnstile_enabled: true, turnstile_site_key: '0x4AAAA-key' } })
  try {
    const { browser } = await app.another({ role: 'web' })
    const guest = browser()
    const page = await guest.get('/login')
    assert.equal(page.html.querySelector('.cf-turnstile')?.getAttribute('data-sitekey'), '0x4AAAA-key')
    const host = 'https://challenges.cloudflare.com'
    const policy = page.headers['content-security-policy']!.split('; ')
    assert.ok(policy.includes(`script-src 'self' ${host}`))
    assert.ok(policy.includes(`frame-src ${host}`))
    const other = await guest.get('/nowhere')
    assert.doesNotMatch(other.headers['content-security-policy']!, /cloudflare|frame-src/)

    const without = await signIn(guest, 'human@example.com')
    assert.equal(without.status, 400)
    assert.equal(alertOf(without), t('session.captcha_failed'))
    assert.ok(without.html.querySelector('.cf-turnstile'), 'a token works once: there is a new widget')
    assert.match(without.headers['content-security-policy']!, /script-src 'self' https:\/\/challenges/)
    assert.equal((await signIn(guest, 'human@example.com', { 'cf-turnstile-response': 'solved' })).status, 303)
  } finally {
    control.set({ site: { turnstile_enabled: false, turnstile_site_key: '' } })
  }
})

for (const kind of ['tencent_captcha_enabled', 'aliyun_captcha_enabled']) {
  test(`a gateway with ${kind} is told to be unsupported, with a link to it`, async () => {
    control.set({ site: { [kind]: true } })
    try {
      const { browser } = await app.another({ role: 'web' })
      const page = await browser().get('/login')
      const notice = page.html.querySelector('.notice.warn')
      assert.match(notice?.text ?? '', new RegExp(t('session.captcha_unsupported').slice(0, 40)))
      assert.equal(notice?.querySelector('a')?.getAttribute('href'), app.config.upstream)
      assert.equal(page.html.querySelector('.cf-turnstile'), null)
      assert.doesNotMatch(page.headers['content-security-policy']!, /cloudflare/)
    } finally {
      control.set({ site: { [kind]: false } })
    }
  })
}

const elsewhere = [
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  '\\\\evil.example',
  '/\t/evil.example',
  '/.//evil.example',
  '/images/..//evil.example',
  '/./\\evil.example',
  'javascript:alert(1)',
  'images',
  '',
]
test('nobody is sent to another site after signing in', async () => {
  for (const next of elsewhere) {
    const guest = app.browser()
    const page = await guest.get(`/login?${new URLSearchParams({ next })}`)
    assert.equal(page.html.querySelector('[name="next"]')?.getAttribute('value'), '/', next)
    const answer = await signIn(guest, 'traveller@example.com', { next })
    assert.equal(answer.status, 303)
    assert.equal(answer.location, '/', next)
    assert.equal((await guest.get(`/login?${new URLSearchParams({ next })}`)).location, '/', next)
    assert.equal((await guest.post('/preferences', { theme: 'dark', back: next })).location, '/', next)
  }
})

test('signing in changes the session id, so that a planted one opens nothing', async () => {
  const browser = await alice(app)
  await app.db.run(`delete from sign_ins where user_id = $1`, [control.user(browser.email).id])
  await browser.post('/images', { prompt: 'Typed before signing in' })
  const planted = browser.cookie('sid')!
  assert.ok(planted)
  await signIn(browser, 'victim@example.com')
  assert.notEqual(browser.cookie('sid'), planted)
  const attacker = app.browser()
  assert.equal((await attacker.get('/account', { headers: { Cookie: `sid=${planted}` } })).status, 303)
})

test('signing in again in the same browser ends the sign-in it had', async () => {
  const person = await alice(app)
  await signIn(person, 'second-self@example.com')
  assert.equal(await signInsOf(person.email), 0)
  assert.equal(refreshTokensOf(person.email), 0)
  assert.equal(await isSignedIn(person), true)
})

test('behind https the cookie is bound to this host and to https', async () => {
  const publicOrigin = 'https://play.example.com'
  const { browser } = await app.another({ role: 'web', publicOrigin })
  const form = { email: 'tls@example.com', password: 'password of tls' }
  for (const proto of [{ 'X-Forwarded-Proto': 'https' }, {}]) {
    const answer = await browser().post('/login', form, { headers: { ...proto, Origin: publicOrigin } })
    assert.equal(answer.status, 303)
    const [line = ''] = [answer.headers['set-cookie'] ?? []].flat()
    assert.match(line, /^__Host-sid=/, 'whether or not the proxy says https')
    for (const attribute of ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']) {
      assert.ok(line.split('; ').includes(attribute), `${attribute} in ${line}`)
    }
    assert.doesNotMatch(line, /Domain=/i)
  }
})

test('over plain http the cookie is still kept from scripts and other sites', async () => {
  const answer = await signIn(app.browser(), 'plain@example.com')
  const [line = ''] = [answer.headers['set-cookie'] ?? []].flat()
  assert.match(line, /^sid=.*; Path=\/; .*HttpOnly; SameSite=Lax$/)
})

test('a copy of the table opens no session: it holds hashes of the ids', async () => {
  const person = await alice(app)
  const id = decodeURIComponent(person.cookie('sid')!).slice(2).split('.')[0]!
  const known = await app.db.one(Count, 'select count(*) from sessions where sid = $1', [hashOf(id)])
  assert.equal(known.count, 1)
  const clear = await app.db.one(Count, `select count(*) from sessions s where strpos(s::text, $1) > 0`, [id])
  assert.equal(clear.count, 0)
})

test('the gateway sees one address and one browser for a whole sign-in, its jobs included', async () => {
  control.set({ sessionBinding: true })
  try {
    const browser = app.browser()
    const lies = {
      'X-Forwarded-For': '6.6.6.6',
      'X-Real-IP': '6.6.6.6',
      'CF-Connecting-IP': '6.6.6.6',
      'True-Client-IP': '6.6.6.6',
      Forwarded: 'for=6.6.6.6',
    }
    const email = 'bound@example.com'
    const form = { email, password: `password of ${email}` }
    assert.equal((await browser.post('/login', form, { headers: { ...lies, 'User-Agent': 'First/1.0' } })).status, 303)
    const person = await signedInAlready(browser, email)
    const later = { headers: { ...lies, 'User-Agent': 'Updated/2.0' } }
    assert.equal((await person.post('/account/balance', {}, later)).status, 303)
    await app.db.run(`update sign_ins set renew_at = now() where user_id = $1`, [control.user(email).id])
    assert.equal((await person.get('/account', later)).status, 200)
    const created = await person.post('/images', { prompt: 'A lighthouse' }, later)
    assert.match(created.location, /^\/images\//)
    const [id] = created.location.split('/').slice(-1)
    await until('the cost', () =>
      app.db.maybeOne(z.unknown(), 'select 1 from image_jobs where id = $1 and cost > 0', [id]),
    )

    const refreshes = control
      .panelCalls({ path: '/api/v1/auth/refresh' })
      .filter(call => call.userAgent === 'First/1.0')
    assert.equal(refreshes.length, 1)
    const calls = [...control.panelCalls({ email }), ...control.calls({ email }), ...refreshes]
    assert.ok(
      calls.some(call => call.path === '/api/v1/usage') && calls.some(call => call.path.startsWith('/v1/images')),
    )
    for (const call of calls) {
      assert.deepEqual([call.ip, call.userAgent, call.forwarded], ['127.0.0.1', 'First/1.0', ['x-real-ip']], call.path)
    }
  } finally {
    control.set({ sessionBinding: false })
  }
})

async function signedInAlready(browser: Browser, email: string): Promise<Browser> {
  const [key] = control.keysOf(email)
  assert.equal((await browser.post('/account/key', { key_id: String(key!.id) })).status, 303)
  return browser
}

test('signing out ends the session here and its refresh token at the gateway', async () => {
  const person = await alice(app)
  const cookie = person.cookie('sid')!
  assert.equal(refreshTokensOf(person.email), 1)

  const answer = await person.post('/logout')
  assert.equal(answer.status, 303)
  const page = await person.get(answer.location)
  assert.equal(page.html.querySelector('.notice[role="status"]')?.text.trim(), t('session.signed_out'))
  assert.equal(refreshTokensOf(person.email), 0)
  assert.equal(await signInsOf(person.email), 0)
  assert.equal((await app.browser().get('/account', { headers: { Cookie: `sid=${cookie}` } })).status, 303)

  assert.equal(person.cookie('sid'), '', 'the browser forgets it')
  assert.equal((await person.get('/library')).location, '/login?next=%2Flibrary', 'and nothing has expired')
  const id = decodeURIComponent(cookie).slice(2).split('.')[0]!
  const kept = await app.db.one(Count, 'select count(*) from sessions where sid = $1', [hashOf(id)])
  assert.equal(kept.count, 0)
})

test('signing out works while the gateway is down', async () => {
  const person = await alice(app)
  control.fault({ match: { path: '/api/v1/auth/logout' }, reply: 'panel_unavailable' })
  assert.equal((await person.post('/logout')).status, 303)
  assert.equal(await isSignedIn(person), false)
  assert.equal(await signInsOf(person.email), 0)
})

test('another browser of mine can be ended, and is signed out at its next request', async () => {
  const here = await alice(app)
  const there = await signedIn(app, here.email)
  const page = await here.get('/account')
  const ends = page.html.querySelectorAll('form[action^="/account/sessions/"][action$="/end"]')
  assert.equal(ends.length, 1, 'not for this browser')

  const answer = await here.post(ends[0]!.getAttribute('action')!)
  assert.equal(answer.status, 303)
  assert.equal(answer.location, '/account')
  assert.equal(await isSignedIn(there), false)
  assert.equal(await isSignedIn(here), true)
  assert.equal(refreshTokensOf(here.email), 1)
  const ended = await there.get('/library')
  assert.equal(ended.location, '/login?next=%2Flibrary&expired=1')
  assert.equal(
    (await there.get(ended.location)).html.querySelector('.notice[role="status"]')?.text.trim(),
    t('session.expired_plain'),
  )
})

test('charlie cannot end what is alice’s', async () => {
  const owner = await alice(app)
  const stranger = await charlie(app)
  const { id } = await app.db.one(z.object({ id: z.string() }), `select id from sign_ins where user_id = $1`, [
    control.user(owner.email).id,
  ])
  for (const path of [id, id.toUpperCase(), 'nonsense', `${id}'--`]) {
    assert.equal((await stranger.post(`/account/sessions/${encodeURIComponent(path)}/end`)).status, 404)
  }
  assert.equal(await isSignedIn(owner), true)
  assert.equal(refreshTokensOf(owner.email), 1)
  assert.equal((await stranger.get('/account')).text.includes(id), false)
  assert.equal((await app.browser().post(`/account/sessions/${id}/end`)).status, 303)
  assert.equal(await isSignedIn(owner), true)

  assert.equal((await stranger.post('/account/sessions/end-all')).status, 303)
  assert.equal(await isSignedIn(owner), true, 'end-all means all of mine')
})

test('ending this browser’s own sign-in leads to the sign-in page', async () => {
  const person = await alice(app)
  const { id } = await app.db.one(z.object({ id: z.string() }), `select id from sign_ins where user_id = $1`, [
    control.user(person.email).id,
  ])
  const answer = await person.post(`/account/sessions/${id}/end`)
  assert.equal(answer.status, 303)
  assert.match(answer.location, /^\/login/)
  assert.equal(await isSignedIn(person), false)
})

test('sign out everywhere ends every browser and the gateway’s own sessions', async () => {
  const here = await alice(app)
  const there = await signedIn(app, here.email)
  const answer = await here.post('/account/sessions/end-all')
  assert.equal(answer.status, 303)
  const page = await here.get(answer.location)
  assert.equal(page.html.querySelector('.notice[role="status"]')?.text.trim(), t('account.sessions_ended'))
  assert.equal(await isSignedIn(here), false)
  assert.equal(await isSignedIn(there), false)
  assert.equal(refreshTokensOf(here.email), 0)
})

test('sign out everywhere works here while the gateway is down, and says what it could not do', async () => {
  const here = await alice(app)
  const there = await signedIn(app, here.email)
  control.fault({ match: { path: '/api/v1/auth/revoke-all-sessions' }, reply: 'panel_unavailable' })
  const answer = await here.post('/account/sessions/end-all')
  const page = await here.get(answer.location)
  assert.equal(page.html.querySelector('.notice[role="status"]')?.text.trim(), t('account.sessions_ended_here_only'))
  assert.equal(await isSignedIn(here), false)
  assert.equal(await isSignedIn(there), false)
})

/** Whether the answer begins before the row of the session could be written; and where it leads, once it was. */
async function leavesEarly(ask: () => Promise<Page>): Promise<{ early: boolean; location: string }> {
  let answered = false
  const answer = await app.db.transaction(async tx => {
    await tx.run('lock table sessions in share mode')
    const asked = ask().then(page => {
      answered = true
      return page
    })
    await until('the session to wait for its row', () =>
      app.db.maybeOne(
        z.unknown(),
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
           and query ilike '%sessions%'`,
      ),
    )
    // Its headers would have been here long since: they need no database.
    await fetch(`${app.url}/health`)
    return { asked, early: answered }
  })
  return { early: answer.early, location: (await answer.asked).location }
}

test('no redirect leaves before the session that it leads on with is a row', async () => {
  const factor = app.browser()
  await factor.get('/login')
  const asked = await leavesEarly(() => signIn(factor, '2fa@example.com'))
  assert.deepEqual(asked, { early: false, location: '/login/2fa' })

  const person = await alice(app)
  await app.db.run(`delete from sign_ins where user_id = (select id from users where email = $1)`, [person.email])
  const kept = await leavesEarly(() => person.post('/images', { prompt: 'typed after the end' }))
  assert.equal(kept.early, false)
  assert.match(kept.location, /^\/login/)
  assert.equal((await signIn(person, person.email)).status, 303)
  const deleted = await leavesEarly(() => person.post('/kept/delete'))
  assert.equal(deleted.early, false)
})
