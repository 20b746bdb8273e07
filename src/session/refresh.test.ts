import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { openBrowser } from '../testing/browser.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { testApp, until } from '../testing/server.ts'
import { translator } from '../web/i18n.ts'

const t = translator('en')
const REFRESH = '/api/v1/auth/refresh'
const app = await testApp()
const { control } = app.mock

/** The access token is about to expire. */
async function age(person: Person): Promise<void> {
  await app.db.run(`update sign_ins set renew_at = now() where user_id = $1`, [control.user(person.email).id])
}

/** How often `during` made the app refresh; refreshes carry no name, so nobody else may be at work. */
async function refreshesDuring(during: () => Promise<unknown>): Promise<number> {
  const before = control.panelCalls({ path: REFRESH }).length
  await during()
  return control.panelCalls({ path: REFRESH }).length - before
}

async function versionOf(person: Person): Promise<number | null> {
  const row = await app.db.maybeOne(
    z.object({ tokenVersion: z.number() }),
    `select token_version from sign_ins where user_id = $1`,
    [control.user(person.email).id],
  )
  return row?.tokenVersion ?? null
}

test('a token that is about to expire is refreshed before it is used', async () => {
  const person = await alice(app)
  await age(person)
  const refreshes = await refreshesDuring(async () => {
    assert.equal((await person.get('/account')).status, 200)
    assert.equal((await person.get('/account')).status, 200)
  })
  assert.equal(refreshes, 1)
  assert.equal(await versionOf(person), 2)
})

test('twenty requests at once in each of two processes refresh once', async () => {
  const person = await alice(app)
  const neighbour = await startProcess(app, { PLAYGROUND_ROLE: 'web' })
  const Cookie = `sid=${person.cookie('sid')}`
  for (let round = 0; round < 3; round++) {
    await age(person)
    control.fault({ match: { path: REFRESH }, delayMs: 250 })
    const refreshes = await refreshesDuring(async () => {
      const pages = await Promise.all(
        [app.url, neighbour.url].flatMap(url =>
          Array.from({ length: 20 }, () => openBrowser(url, () => {}).get('/account', { headers: { Cookie } })),
        ),
      )
      assert.deepEqual([...new Set(pages.map(page => page.status))], [200])
    })
    assert.equal(refreshes, 1)
    assert.equal(await versionOf(person), round + 2)
  }
  assert.equal(control.panelCalls({ path: REFRESH }).filter(call => call.status === 401).length, 0)
})

test('a token that the gateway calls expired is refreshed once, and the call repeated', async () => {
  const person = await alice(app)
  control.expireAccessTokens(person.email)
  control.user(person.email, { balance: 7.75 })
  const profiles = { path: '/api/v1/user/profile', email: person.email }
  const before = control.panelCalls(profiles).length
  const refreshes = await refreshesDuring(async () => {
    assert.equal((await person.post('/account/balance')).status, 303)
  })
  assert.equal(refreshes, 1)
  assert.deepEqual(
    control
      .panelCalls(profiles)
      .slice(before)
      .map(call => call.status),
    [401, 200],
  )
  assert.match((await person.get('/account')).html.querySelector('.purse-card')!.text, /\$7\.75/)
})

test('many calls that find the token expired refresh it once', async () => {
  const person = await alice(app)
  control.expireAccessTokens(person.email)
  const refreshes = await refreshesDuring(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => person.post('/account/balance')))
    assert.deepEqual([...new Set(answers.map(answer => answer.status))], [303])
  })
  assert.equal(refreshes, 1)
})

test('a short-lived token is not refreshed at every call', async () => {
  control.set({ accessTokenSeconds: 60 })
  try {
    const person = await alice(app)
    const refreshes = await refreshesDuring(async () => {
      for (let i = 0; i < 5; i++) assert.equal((await person.get('/account')).status, 200)
    })
    assert.equal(refreshes, 0)
  } finally {
    control.set({ accessTokenSeconds: 86_400 })
  }
})

test('when the refresh is refused one signs in again and comes back', async () => {
  const person = await alice(app)
  await age(person)
  control.revokeRefreshTokens(person.email)
  const asked = await person.get('/library?filter=favourites')
  assert.equal(asked.status, 303)
  assert.equal(asked.location, '/login?next=%2Flibrary%3Ffilter%3Dfavourites&expired=1')
  assert.equal(await versionOf(person), null, 'the sign-in is over here too')

  const login = await person.get(asked.location)
  assert.equal(login.status, 200)
  assert.equal(login.html.querySelector('.notice[role="status"]')?.text.trim(), t('session.expired_plain'))
  const next = login.html.querySelector('[name="next"]')!.getAttribute('value')!
  const answer = await person.post('/login', { email: person.email, password: 'password again', next })
  assert.equal(answer.location, '/library?filter=favourites')
  assert.equal((await person.get(answer.location)).status, 200)
})

test('a revoked access token with a dead refresh token ends in signing in again, not in an error', async () => {
  const person = await alice(app)
  control.user(person.email, { tokenVersion: 99 })
  control.revokeRefreshTokens(person.email)
  const answer = await person.post('/account/balance')
  assert.equal(answer.status, 303)
  assert.match(answer.location, /^\/login\?/)
  assert.equal((await person.get('/account')).status, 303)
})

test('an account disabled at the gateway is signed out at its next refresh', async () => {
  const person = await alice(app)
  await age(person)
  control.user(person.email, { status: 'disabled' })
  assert.match((await person.get('/images')).location, /^\/login/)
  assert.equal(await versionOf(person), null)
})

for (const reply of ['panel_unavailable', 'login_limited'] as const) {
  test(`a refresh that fails with ${reply} signs nobody out`, async () => {
    const person = await alice(app)
    await age(person)
    control.fault({ match: { path: REFRESH }, reply })
    assert.equal((await person.get('/library')).status, 200, 'what is kept here can be looked at')
    assert.equal((await person.get('/account')).status, 200)
    assert.equal(await versionOf(person), 2, 'the next request has refreshed')
  })
}

test('a refresh whose process died is taken over when its lease is over', async () => {
  const person = await alice(app)
  await age(person)
  await app.db.run(`update sign_ins set refreshing_until = now() + interval '400 milliseconds' where user_id = $1`, [
    control.user(person.email).id,
  ])
  const refreshes = await refreshesDuring(async () => assert.equal((await person.get('/account')).status, 200))
  assert.equal(refreshes, 1)
})

const form = { prompt: 'A fox in the snow', size: '1536x1024', quality: 'low', n: '3' }

async function endSignIn(person: Person): Promise<void> {
  await app.db.run(`delete from sign_ins where user_id = $1`, [control.user(person.email).id])
}

test('a form that was sent after the sign-in had ended survives it', async () => {
  const person = await alice(app)
  const page = await person.get('/images')
  assert.equal(page.html.querySelector('.pay .primary')!.getAttribute('formenctype'), 'multipart/form-data')
  await endSignIn(person)
  const picture = ['fox.png', Buffer.alloc(300_000)] as const
  const asked = await person.upload('/images', [picture], form, { headers: { Referer: `${app.url}/images` } })
  assert.equal(asked.status, 303)
  assert.equal(asked.location, '/login?next=%2Fimages&expired=1')
  const login = await person.get(asked.location)
  assert.equal(login.html.querySelector('.notice[role="status"]')?.text.trim(), t('session.expired'))

  const wrong = await person.post('/login', { email: person.email, password: 'wrong', next: '/images' })
  assert.equal(wrong.status, 401)
  const again = await signedIn(app, person.email, person)
  const back = await again.get('/images')
  assert.equal(back.html.querySelector('form[action="/images"] [name="prompt"]')!.text.trim(), form.prompt)
  for (const name of ['n', 'size', 'quality'] as const) {
    const chosen = back.html.querySelector(`[name="${name}"] option[selected]`)?.getAttribute('value')
    assert.equal(chosen, form[name], name)
  }
  const { count } = await app.db.one(z.object({ count: z.number() }), 'select count(*) from image_jobs')
  assert.equal(count, 0, 'and made nothing')
})

test('an answer that comes late does not put out who has signed in again meanwhile', async () => {
  const person = await alice(app)
  await endSignIn(person)
  const late = [
    await person.get('/images'),
    await person.get('/images/tiles?t=x', { htmx: true }),
    await person.post('/images/draft', form, { htmx: true }),
    await person.post('/images', form),
  ]
  for (const { headers } of late) assert.equal(headers['set-cookie'], undefined)
  const { expire } = await app.db.one(
    z.object({ expire: z.number() }),
    `select extract(epoch from max(expire) - now())::int as expire from sessions
     where sess ->> 'keptForm' is not null and sess ->> 'lastUserId' = $1`,
    [String(control.user(person.email).id)],
  )
  assert.ok(expire <= 3601, 'and what is nobody’s is kept for an hour')
})

test('what was said in a chat after the sign-in had ended is in its box again', async () => {
  const person = await alice(app)
  const id = (await person.post('/chat', { text: 'hello' })).location.split('/').at(-1)!
  await endSignIn(person)
  for (const [address, fields] of [
    [`/chat/${id}/messages`, { text: 'half a thought', conversation: id, parent: '' }],
    ['/chat/draft', { text: 'a draft', conversation: id }],
    ['/chat', { text: 'a beginning' }],
  ] as const) {
    const asked = await person.upload(address, [], fields, { htmx: address.endsWith('draft') })
    assert.equal(asked.status, address.endsWith('draft') ? 401 : 303)
    await signedIn(app, person.email, person)
    const page = await person.get('conversation' in fields ? `/chat/${id}` : '/chat')
    assert.equal(page.html.querySelector('#say')!.text, fields.text)
    assert.equal(page.html.querySelector('.typed-form'), null)
    await endSignIn(person)
  }
})

test('words of any other form wait on the next page, to be read, changed and sent, or thrown away', async () => {
  const person = await alice(app)
  const id = (await person.post('/chat', { text: 'hello' })).location.split('/').at(-1)!
  for (const [address, fields, typed] of [
    [`/chat/${id}/title`, { title: 'A better name' }, 'title'],
    [`/chat/${id}/instructions`, { instructions: 'Only whales.' }, 'instructions'],
    ['/chat/settings', { instructions: 'Call me Ishmael.', ask: 'off' }, 'instructions'],
    [`/chat/${id}/messages`, { text: 'hello again', parent: '' }, 'text'],
    ['/agents', { name: 'laptop', public_key: 'ssh-ed25519 AAAA me@laptop' }, 'public_key'],
    ['/images/batch', { prompts: 'one\ntwo', step: 'preview' }, 'prompts'],
  ] as const) {
    await endSignIn(person)
    assert.equal((await person.post(address, fields)).status, 303)
    await signedIn(app, person.email, person)
    const kept = (await person.get('/library')).html.querySelector('#notice .typed-form')!
    assert.equal(kept.getAttribute('action'), address)
    for (const [name, value] of Object.entries(fields)) {
      const field = kept.querySelector(`[name="${name}"]`)!
      assert.equal(name === typed ? field.text : (field.getAttribute('value') ?? field.text), value)
    }
    assert.equal(kept.querySelector(`[name="${typed}"]`)!.rawTagName, 'textarea')
    await person.post(address, fields)
    assert.equal((await person.get('/library')).html.querySelector('.typed-form'), null, 'sent')
  }
  await endSignIn(person)
  await person.post(`/chat/${id}/title`, { title: 'Never mind' })
  await signedIn(app, person.email, person)
  await person.post('/kept/delete')
  assert.equal((await person.get('/library')).html.querySelector('.typed-form'), null, 'thrown away')
})

test('a page that says that a form was not taken has what was typed', async () => {
  const person = await alice(app)
  const id = (await person.post('/chat', { text: 'hello' })).location.split('/').at(-1)!
  const title = 'far too long '.repeat(40)
  const refused = await person.post(`/chat/${id}/title`, { title })
  assert.equal(refused.status, 422)
  assert.equal(refused.html.querySelector('.typed-form [name="title"]')!.text, title)
  const elsewhere = await person.post(`/chat/${id}/title`, { title }, { headers: { 'Sec-Fetch-Site': 'cross-site' } })
  assert.equal(elsewhere.status, 403)
  assert.doesNotMatch(elsewhere.text, /far too long/)
})

test('a form survives even a session that is no longer there: for an hour, and a few times', async () => {
  const person = await alice(app)
  await app.db.run('delete from sessions')
  assert.match((await person.post('/images', form)).location, /&expired=1$/)
  const { minutes } = await app.db.one(
    z.object({ minutes: z.number() }),
    'select round(extract(epoch from expire - now()) / 60)::int as minutes from sessions',
  )
  assert.equal(minutes, 60)
  const again = await signedIn(app, person.email, person)
  assert.equal((await again.get('/images')).html.querySelector('[name="prompt"]')!.text.trim(), form.prompt)

  const { running } = await app.another({ role: 'web', trustedProxies: 1 })
  const headers = { Cookie: `sid=${person.cookie('sid')}`, 'X-Forwarded-For': '203.0.113.9' }
  await person.post('/logout')
  const sessions = await countSessions()
  const statuses: number[] = []
  for (let i = 0; i < 25; i++) {
    statuses.push((await openBrowser(running.url, () => {}).post('/images', form, { headers })).status)
  }
  assert.deepEqual(
    statuses,
    Array.from({ length: 25 }, (_, i) => (i < 20 ? 303 : 429)),
  )
  assert.equal(await countSessions(), sessions + 20)
})

test('of a guest nothing is kept, not even a session', async () => {
  const before = await countSessions()
  for (const headers of [{}, { Cookie: 'sid=s%3Amade-up.bm90IHNpZ25lZCBieSB1cw' }]) {
    const guest = app.browser()
    const asked = await guest.post('/images', form, { headers: { Referer: `${app.url}/images`, ...headers } })
    assert.equal(asked.location, '/login?next=%2Fimages')
    assert.equal((await guest.post('/images', form, { htmx: true, headers })).status, 401)
    assert.equal((await guest.post('/logout', {}, { headers })).status, 303)
    assert.equal(guest.cookie('sid'), undefined)
  }
  assert.equal(await countSessions(), before)
})

async function countSessions(): Promise<number> {
  return (await app.db.one(z.object({ count: z.number() }), 'select count(*) from sessions')).count
}

test('a form is kept for who sent it, not for who comes next', async () => {
  const person = await alice(app)
  await app.db.run(`delete from sign_ins where user_id = $1`, [control.user(person.email).id])
  assert.equal((await person.post('/images', form)).status, 303)
  const other = await signedIn(app, 'next-at-this-computer@example.com', person)
  const page = await other.get('/images')
  assert.equal(page.html.querySelector('[name="prompt"]')!.text.trim(), '')
  assert.equal(page.text.includes(form.prompt), false)
})

test('a page does not wait for a gateway that is silent about a new token', async () => {
  // A gateway call would wait for longer than the test does.
  const { browser } = await app.another({ role: 'web', gatewayTimeouts: { panel: 600_000 } })
  const person = await signedIn(app, 'unhurried@example.com', browser())
  await age(person)
  const silent = control.fault({ match: { path: REFRESH }, hold: 'before_headers' })
  try {
    let status = 0
    void person.get('/library').then(page => {
      status = page.status
    })
    await until('the page', async () => status === 200)
    assert.equal(await versionOf(person), 1)
  } finally {
    control.release(silent)
  }
  await until('the new token', async () => (await versionOf(person)) === 2)
})

test('htmx learns of an ended sign-in in place: the page with what was typed stays', async () => {
  const person = await alice(app)
  await app.db.run(`delete from sign_ins where user_id = $1`, [control.user(person.email).id])
  for (const ask of [
    () => person.get('/images/tiles', { htmx: true }),
    () => person.post('/images', form, { htmx: true }),
  ]) {
    const answer = await ask()
    assert.equal(answer.status, 401)
    assert.equal(answer.headers['hx-redirect'], undefined)
    const notice = answer.html.querySelector('hx-partial[hx-target="#notice"]')
    assert.match(notice?.text ?? '', new RegExp(t('session.expired').slice(0, 25)))
    assert.match(notice?.querySelector('a')?.getAttribute('href') ?? '', /^\/login/)
  }
  const again = await signedIn(app, person.email, person)
  assert.equal((await again.get('/images')).html.querySelector('[name="prompt"]')!.text.trim(), form.prompt)
})
