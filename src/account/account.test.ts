import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { groupIds } from '../mock/groups.ts'
import type { Browser, Page } from '../testing/browser.ts'
import { alice, charlie, signedIn } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { type Key, translator } from '../web/i18n.ts'

const t = translator('en')
const app = await testApp()
const { control } = app.mock
const Chosen = z.object({ keyId: z.number().nullable(), keyName: z.string().nullable() })

async function chosenKeyOf(email: string): Promise<number | null> {
  const select = 'select key_id, key_name from accounts where user_id = $1'
  const account = await app.db.maybeOne(Chosen, select, [control.user(email).id])
  return account?.keyId ?? null
}

function keyNamed(email: string, name: string): number {
  const key = control.keysOf(email).find(candidate => candidate.name === name)
  assert.ok(key, `${email} has no key ${name}`)
  return key.id
}

function choose(browser: Browser, keyId: number): Promise<Page> {
  return browser.post('/account/key', { key_id: String(keyId) })
}

/** What a browser sends for the form that makes a key. */
function newKeyForm(page: Page, group?: number): Record<string, string> {
  const form = page.html.querySelector('form[action="/account/keys"]')
  const hidden = form?.querySelectorAll('input[type="hidden"]') ?? []
  return {
    ...Object.fromEntries(hidden.map(input => [input.getAttribute('name')!, input.getAttribute('value') ?? ''])),
    group_id:
      group === undefined ? (form?.querySelector('option[selected]')?.getAttribute('value') ?? '') : String(group),
  }
}

function assertRefused(page: Page, sentence: string): void {
  assert.equal(page.status, 422)
  assert.equal(page.html.querySelector('#keys [role="alert"]')?.text.trim(), sentence)
}

test('the balance is read again on demand', async () => {
  const person = await alice(app)
  assert.match((await person.get('/account')).html.querySelector('.purse-card')!.text, /\$12\.50/)

  control.user(person.email, { balance: 3.2109 })
  const answer = await person.post('/account/balance')
  assert.equal(answer.status, 303)
  assert.equal(answer.location, '/account')
  const purse = (await person.get('/account')).html.querySelector('.purse-card')!
  assert.match(purse.text, /\$3\.21\s/, 'in cents')
  assert.equal(purse.querySelector('data')!.getAttribute('title'), '$3.2109', 'exact on hover')

  control.user(person.email, { balance: 0.5 })
  const fragment = await person.post('/account/balance', {}, { htmx: true })
  assert.equal(fragment.status, 200)
  for (const place of ['#balance-rail', '#balance-page']) {
    assert.match(fragment.html.querySelector(`hx-partial[hx-target="${place}"]`)!.text, /\$0\.50/)
  }
  assert.match((await person.get('/images')).html.querySelector('.purse')!.text, /\$0\.50/)
})

test('the balance last heard stays when the gateway cannot be asked', async () => {
  const person = await alice(app)
  const outages = [
    ['panel_unavailable', 502],
    ['panel_limited', 429],
  ] as const
  for (const [reply, status] of outages) {
    control.fault({ match: { path: '/api/v1/user/profile' }, reply })
    const answer = await person.post('/account/balance')
    assert.equal(answer.status, status)
    if (status === 429) {
      const seconds = Number(answer.headers['retry-after'])
      assert.ok(seconds > 15 && seconds <= 25, `Retry-After: ${seconds}`)
      assert.match(answer.html.querySelector('main')!.text, new RegExp(t('errors.rate_limited', { seconds })))
    }
    control.fault({ match: { path: '/api/v1/user/profile' }, reply })
    const fragment = await person.post('/account/balance', {}, { htmx: true })
    assert.equal(fragment.status, status)
    assert.ok(fragment.html.querySelector('hx-partial[hx-target="#notice"]'))
  }
  assert.match((await person.get('/account')).html.querySelector('.purse-card')!.text, /\$12\.50/)
})

test('the keys are listed with what one needs to choose, and never with their secrets', async () => {
  const person = await signedIn(app, 'expired+list@example.com')
  const page = await person.get('/account')
  const rows = page.html.querySelectorAll('#keys .key-row')
  assert.equal(rows.length, 4)
  assert.match(rows[0]!.text, /Good/, 'what can be used comes first')
  for (const { key } of control.keysOf(person.email)) {
    for (const part of [key, key.slice(0, 12), key.slice(-12)]) assert.equal(page.text.includes(part), false)
  }
  const problems = rows.map(row => row.querySelector('.problem')?.text.trim() ?? '')
  assert.deepEqual(
    problems.toSorted(),
    ['', t('account.problem.expired'), t('account.problem.quota_exhausted'), t('account.problem.inactive')].toSorted(),
  )

  const usual = await (await alice(app)).get('/account')
  const weekend = usual.html.querySelectorAll('#keys .key-row').find(row => row.text.includes('Weekend'))!
  assert.match(weekend.text, new RegExp(t('account.remaining', { amount: '\\$18.75' })))
  assert.ok(weekend.querySelector('time'), 'when it expires')
})

test('a chosen key is shown on every page, and pays', async () => {
  const person = await alice(app)
  const weekend = keyNamed(person.email, 'Weekend')
  const main = keyNamed(person.email, 'Main')
  for (const id of [main, weekend]) {
    const answer = await choose(person, id)
    assert.equal(answer.status, 303)
    assert.equal(answer.location, '/account')
    assert.equal(await chosenKeyOf(person.email), id)
  }
  const page = await person.get('/account')
  assert.match(page.html.querySelector('#keys .key-row.chosen')!.text, /Weekend/)
  assert.match((await person.get('/library')).html.querySelector('.purse')!.text, /Weekend/)

  assert.equal((await person.post('/images', { prompt: 'Paid by the weekend' })).status, 303)
  const [call] = await control.waitForCalls(1, { email: person.email })
  assert.equal(call!.apiKeyId, weekend)
})

test('whoever was sent for a key comes back to where they were, and only within this site', async () => {
  const person = await alice(app)
  const page = await person.get('/account?next=/images/batch')
  const forms = page.html.querySelectorAll('#keys form')
  assert.ok(forms.length > 1)
  for (const form of forms) assert.equal(form.querySelector('[name="next"]')?.getAttribute('value'), '/images/batch')
  const choice = { key_id: String(keyNamed(person.email, 'Weekend')) }
  assert.equal((await person.post('/account/key', { ...choice, next: '/images/batch' })).location, '/images/batch')
  for (const next of ['https://elsewhere.example/', '//elsewhere.example/']) {
    assert.equal((await person.post('/account/key', { ...choice, next })).location, '/account')
  }
})

test('a key that is gone, somebody else’s or unusable is not chosen', async () => {
  const owner = await alice(app)
  const stranger = await charlie(app)
  const before = await chosenKeyOf(stranger.email)
  assertRefused(await choose(stranger, keyNamed(owner.email, 'Weekend')), t('account.key_gone'))
  assert.equal(await chosenKeyOf(stranger.email), before)

  const gone = keyNamed(stranger.email, 'Weekend')
  app.mock.state.keys.delete(gone)
  assertRefused(await choose(stranger, gone), t('account.key_gone'))
  assert.equal(await chosenKeyOf(stranger.email), before)

  const troubled = await signedIn(app, 'expired+choose@example.com')
  const good = keyNamed(troubled.email, 'Good')
  for (const name of ['Old', 'Used up', 'Switched off']) {
    assertRefused(await choose(troubled, keyNamed(troubled.email, name)), t('account.key_unusable'))
    assert.equal(await chosenKeyOf(troubled.email), good)
  }
  for (const nonsense of ['', 'x', '1.5', '1e99']) {
    const answer = await stranger.post('/account/key', { key_id: nonsense })
    assert.ok(answer.status === 400 || answer.status === 422, `${nonsense}: ${answer.status}`)
  }
  assert.equal(await chosenKeyOf(stranger.email), before)
})

test('whoever has no key makes one, in the only group there is', async () => {
  const person = await signedIn(app, 'nokeys@example.com')
  assert.equal(await chosenKeyOf(person.email), null)
  const account = await person.get('/account')
  assert.match(account.html.querySelector('#keys .notice.warn')!.text, new RegExp(t('account.no_keys')))
  const form = newKeyForm(account)
  assert.equal(form.group_id, '10', 'preselected')
  assert.ok((await person.get('/images')).html.querySelector('a[href^="/account"]'), 'Create leads there')

  const answer = await person.post('/account/keys', form)
  assert.equal(answer.status, 303)
  const [key, ...more] = control.keysOf(person.email)
  assert.equal(more.length, 0)
  assert.deepEqual([key!.name, key!.group_id], ['Image Playground', 10])
  assert.equal(await chosenKeyOf(person.email), key!.id)
  assert.equal((await person.post('/images', { prompt: 'The first one' })).status, 303)
  await control.waitForCalls(1, { apiKeyId: key!.id })
})

test('with several groups none is preselected, and only those of the right platform are offered', async () => {
  const person = await signedIn(app, 'manygroups+new@example.com')
  const page = await person.get('/account')
  const offered = page.html
    .querySelectorAll('form[action="/account/keys"] option')
    .map(each => each.getAttribute('value'))
  assert.deepEqual(offered, ['', '10', '11', '12', '14', '15'])
  assert.equal(newKeyForm(page).group_id, '')
  const before = control.keysOf(person.email).length
  assertRefused(await person.post('/account/keys', newKeyForm(page)), t('account.group_missing'))
  assert.equal(control.keysOf(person.email).length, before)

  assert.equal((await person.post('/account/keys', newKeyForm(page, 11))).status, 303)
  const made = control.keysOf(person.email).at(-1)!
  assert.equal(made.group_id, 11)
  assert.equal(await chosenKeyOf(person.email), made.id)
})

test('what the gateway has against a new key is told in its words, escaped', async () => {
  const person = await alice(app)
  const before = control.keysOf(person.email).length
  const refused = await person.post('/account/keys', { group_id: '15' })
  assertRefused(refused, t('account.create_refused', { detail: 'user is not allowed to bind this group' }))

  const body = { code: 400, message: 'quota <b>exceeded</b>', reason: 'SOMETHING_NEW' }
  control.fault({ match: { method: 'POST', path: '/api/v1/keys' }, reply: { status: 400, body } })
  const strange = await person.post('/account/keys', { group_id: '10' })
  assertRefused(strange, t('account.create_refused', { detail: 'quota <b>exceeded</b>' }))
  assert.equal(strange.html.querySelector('#keys [role="alert"] b'), null)

  control.fault({ match: { method: 'POST', path: '/api/v1/keys' }, reply: 'panel_unavailable' })
  assert.equal((await person.post('/account/keys', { group_id: '10' })).status, 502)
  assert.equal(control.keysOf(person.email).length, before)
})

test('a double click makes one key', async () => {
  const person = await signedIn(app, 'nokeys+twice@example.com')
  const form = newKeyForm(await person.get('/account'))
  const answers = await Promise.all([form, form, form].map(fields => person.post('/account/keys', fields)))
  assert.deepEqual(
    answers.map(answer => answer.status),
    [303, 303, 303],
  )
  assert.equal(control.keysOf(person.email).length, 1)

  const next = newKeyForm(await person.get('/account'))
  assert.notEqual(next.submission, form.submission)
  assert.equal((await person.post('/account/keys', next)).status, 303)
  assert.equal(control.keysOf(person.email).length, 2, 'asked for again, on purpose')
})

test('the second of two clicks is no error while the gateway is still at the first', async () => {
  const person = await signedIn(app, 'nokeys+busy@example.com')
  const body = { code: 409, message: 'idempotent request is still processing', reason: 'IDEMPOTENCY_IN_PROGRESS' }
  control.fault({ match: { method: 'POST', path: '/api/v1/keys' }, reply: { status: 409, body } })
  assert.equal((await person.post('/account/keys', { group_id: '10', submission: randomUUID() })).status, 303)
})

const cannot: [who: string, page: string, words: Key][] = [
  ['nogroups', 'no group is open', 'account.no_keys_no_groups'],
  ['noimages', 'no key makes pictures', 'account.no_usable_key_no_groups'],
]
for (const [who, what, words] of cannot) {
  test(`it is said when ${what}`, async () => {
    const person = await signedIn(app, `${who}@example.com`)
    const page = await person.get('/account')
    assert.ok(page.html.querySelector('#keys')!.text.includes(t(words)))
    if (who === 'nogroups') assert.equal(page.html.querySelector('form[action="/account/keys"]'), null)

    const refused = await person.post('/images', { prompt: 'Not possible' })
    assert.ok(refused.status >= 400 && refused.status < 500)
    assert.ok(refused.html.querySelector('a[href^="/account"]'), 'leads to the keys')
    assert.equal(control.calls({ email: person.email }).length, 0)
  })
}

test('the chosen key is remembered at the next sign-in, in any browser', async () => {
  const person = await alice(app)
  const weekend = keyNamed(person.email, 'Weekend')
  await choose(person, weekend)
  await person.post('/logout')
  const elsewhere = app.browser()
  await elsewhere.post('/login', { email: person.email, password: 'another browser' })
  assert.equal(await chosenKeyOf(person.email), weekend)
  assert.match((await elsewhere.get('/images')).html.querySelector('.purse')!.text, /Weekend/)
})

test('a remembered key that cannot pay any more stays at the next sign-in, says why, and others are offered', async () => {
  for (const [spoil, sentence] of [
    [(id: number) => void app.mock.state.keys.delete(id), /Weekend no longer exists/],
    [(id: number) => void control.key(id, { status: 'expired' }), /Weekend has expired/],
    [(id: number) => void control.key(id, { status: 'inactive' }), /Weekend is switched off/],
    [(id: number) => void control.key(id, { quota: 1, quota_used: 1 }), /quota of your key Weekend is used up/],
  ] as const) {
    const person = await alice(app)
    control.addKey(person.email, { name: 'Third', group_id: 10 })
    const weekend = keyNamed(person.email, 'Weekend')
    await choose(person, weekend)
    spoil(weekend)
    await person.post('/login', { email: person.email, password: 'again' })
    assert.equal(await chosenKeyOf(person.email), weekend)
    const page = (await person.get('/images')).html
    assert.match(page.querySelector('.purse')!.text, /Weekend/)
    assert.match(page.querySelector('#blocked')!.text, sentence)
    const others = page.querySelectorAll('#blocked button').map(button => button.text)
    assert.deepEqual(others.toSorted(), ['Use Main', 'Use Third'])
    assert.equal((await person.get('/account')).status, 200)
  }
})

test('the only usable key needs no choosing', async () => {
  const browser = app.browser()
  const email = 'expired+only@example.com'
  await browser.post('/login', { email, password: 'password' })
  assert.equal(await chosenKeyOf(email), keyNamed(email, 'Good'))
})

describe('of several keys one is chosen for who has chosen none, and Create says why', () => {
  const cases = [
    { email: 'undecided@example.com', chosen: 'Main', why: 'cheapest' },
    { email: 'noimages+undecided@example.com', chosen: 'Drawn', why: 'pictures' },
    { email: 'manygroups+undecided@example.com', chosen: 'Plan', why: 'plan' },
  ] as const
  control.addKey(cases[1].email, { name: 'Drawn', group_id: groupIds.openai })

  for (const { email, chosen, why } of cases) {
    test(`${chosen}: ${why}`, async () => {
      const browser = app.browser()
      await browser.post('/login', { email, password: 'password' })
      assert.equal(await chosenKeyOf(email), keyNamed(email, chosen))
      const form = (await browser.get('/images')).html.querySelector('#composer')!
      assert.equal(form.querySelector('.key-why')!.text.trim(), t(`images.key.why.${why}`, { key: chosen }))

      // Whoever pays with it has seen it, and whoever chooses by themselves is told nothing.
      assert.equal((await browser.post('/images', { prompt: 'a first picture' })).status, 303)
      assert.equal((await browser.get('/images')).html.querySelector('.key-why')?.text, undefined)
    })
  }

  test('the key that the form shows pays, whatever was chosen elsewhere since', async () => {
    const person = await alice(app)
    const [main, weekend] = [keyNamed(person.email, 'Main'), keyNamed(person.email, 'Weekend')]
    await choose(person, main)
    const form = (await person.get('/images')).html.querySelector('#composer [name="key_id"]')!
    assert.deepEqual(
      form.querySelectorAll('option').map(option => option.getAttribute('value')),
      [String(main), String(weekend)],
    )
    await choose(person, weekend)
    assert.equal((await person.post('/images', { prompt: 'as shown', key_id: String(main) })).status, 303)
    const [call] = await control.waitForCalls(1, { email: person.email })
    assert.equal(call!.apiKeyId, main)
    const strange = await person.post('/images', { prompt: 'kept', key_id: '999999' })
    assert.equal(strange.status, 422)
    assert.match(strange.html.querySelector('#composer .field-error')!.text, new RegExp(t('account.key_gone')))
    assert.equal(strange.html.querySelector('#prompt')!.text, 'kept')
  })

  test('no other is chosen in its place, however cheap', async () => {
    const email = 'manygroups+decided@example.com'
    const person = await signedIn(app, email)
    await choose(person, keyNamed(email, 'OpenAI'))
    await person.post('/login', { email, password: 'again' })
    assert.equal(await chosenKeyOf(email), keyNamed(email, 'OpenAI'))
    assert.equal((await person.get('/images')).html.querySelector('.key-why')?.text, undefined)
  })
})

test('without the gateway the page says so, and the key chosen before still counts', async () => {
  const person = await alice(app)
  const key = await chosenKeyOf(person.email)
  control.fault({ match: { path: '/api/v1/keys' }, reply: 'panel_unavailable', times: 2 })
  const page = await person.get('/account')
  assert.equal(page.status, 200)
  assert.ok(page.html.querySelector('#keys .notice.warn a[href^="/account?next="]'), 'try again')
  assert.equal(page.html.querySelector('form[action="/account/keys"]'), null)
  assert.match(page.html.querySelector('.purse')!.text, /Main|Weekend/)

  await choose(person, keyNamed(person.email, 'Main'))
  assert.equal(await chosenKeyOf(person.email), key)
  control.clearFaults()
  assert.equal((await person.post('/images', { prompt: 'Still possible' })).status, 303)
  await until('the picture', async () => control.calls({ email: person.email, state: 'done' })[0])
})

test('names given on the gateway are text, whatever is in them', async () => {
  const person = await alice(app)
  const name = '&lt;img src=x onerror=alert(1)&gt; &amp; "quotes"'
  const key = control.addKey(person.email, { name, group_id: 10 })
  await choose(person, key.id)
  const page = await person.get('/account')
  assert.equal(page.html.querySelector('img[src="x"]'), null)
  assert.match(
    page.html.querySelector('#keys .key-row.chosen .key-title')!.text,
    /<img src=x onerror=alert\(1\)> & "quotes"/,
  )
})

test('a key sealed under a secret that is no longer given can be chosen again', async () => {
  const person = await alice(app)
  const key = await chosenKeyOf(person.email)
  await app.db.run(
    `update accounts set key_secret = set_byte(key_secret, 1, (get_byte(key_secret, 1) + 1) % 256)
    where user_id = $1`,
    [control.user(person.email).id],
  )
  assert.ok((await person.post('/images', { prompt: 'No key' })).html.querySelector('a[href^="/account"]'))
  const page = await person.get('/account')
  assert.equal(page.html.querySelector('.key-row.chosen'), null)
  assert.equal((await choose(person, key!)).status, 303)
  assert.equal((await person.post('/images', { prompt: 'With a key' })).status, 303)
})

test('guests are sent to sign in by every door of the room', async () => {
  const guest = app.browser()
  for (const path of ['/account/balance', '/account/key', '/account/keys', '/account/sessions/end-all']) {
    assert.match((await guest.post(path, { key_id: '1', group_id: '10' })).location, /^\/login\?/, path)
  }
  assert.match((await guest.get('/account')).location, /^\/login\?/)
})

test('whoever wants to add to the balance is led to the gateway’s page for it', async () => {
  const person = await alice(app)
  assert.ok((await person.get('/account')).html.querySelector('.purse-card a[href="/account/top-up"]'))
  const leadsTo = async (site: Record<string, unknown>) => {
    const none = { purchase_subscription_enabled: false, purchase_subscription_url: '' }
    control.set({ site: { ...none, balance_low_notify_recharge_url: '', ...site } })
    // What the public settings say is kept for a minute by each process.
    const { browser } = await app.another({ role: 'web' })
    return (await (await signedIn(app, person.email, browser())).get('/account/top-up')).location
  }
  assert.equal(await leadsTo({}), app.mock.url)
  assert.equal(
    await leadsTo({ balance_low_notify_recharge_url: 'https://pay.example/top-up' }),
    'https://pay.example/top-up',
  )
  const shop = { purchase_subscription_enabled: true, purchase_subscription_url: '/purchase' }
  assert.equal(await leadsTo(shop), `${app.mock.url}/purchase`)
  assert.equal(await leadsTo({ balance_low_notify_recharge_url: 'javascript:alert(1)' }), app.mock.url)
  assert.match((await app.browser().get('/account/top-up')).location, /^\/login\?/)
})

describe('the zone in which days of money are counted', () => {
  const zoneShown = async (person: Browser, tz: string) => {
    const headers = { Cookie: `sid=${person.cookie('sid')}; tz=${tz}` }
    return (await app.browser().get('/account', { headers })).html.querySelector('#days-zone option[selected]')!.text
  }

  test('is guessed once, from the browser of a sign-in, and is what is chosen from then on', async () => {
    const email = 'from-tokyo@example.com'
    const signIn = (tz: string) =>
      app.browser().post('/login', { email, password: 'a password' }, { headers: { Cookie: `tz=${tz}` } })
    await signIn('Asia%2FTokyo')
    await signIn('America%2FLos_Angeles')
    const person = await signedIn(app, email)
    assert.equal(await zoneShown(person, 'Europe%2FBerlin'), 'Asia/Tokyo')
    assert.equal((await person.post('/account/time-zone', { time_zone: 'Pacific/Auckland' })).status, 303)
    await signIn('Asia%2FTokyo')
    assert.equal(await zoneShown(person, 'Asia%2FTokyo'), 'Pacific/Auckland')
  })

  test('is that of the browser until then, and never one that is no place', async () => {
    const person = await alice(app)
    assert.equal(await zoneShown(person, 'Europe%2FBerlin'), 'Europe/Berlin')
    for (const name of ['Mars/Olympus', '+05:30', '', 'ABC5'])
      assert.equal((await person.post('/account/time-zone', { time_zone: name })).status, 422, name)
    assert.equal(await zoneShown(person, 'Europe%2FBerlin'), 'Europe/Berlin')
  })
})
