import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { boundKey } from './testing/agents.ts'
import { noChromium, openPage, startChromium } from './testing/chromium.ts'
import { talk } from './testing/conversations.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { alice, charlie, type Person } from './testing/people.ts'
import { makePicture } from './testing/pictures.ts'
import { testApp, until } from './testing/server.ts'
import { someOf } from './testing/some-of.ts'

const app = await testApp()
const { db, mock } = app

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const skip = noChromium

/** Ends the person's sign-in behind the back of their open pages. */
async function endSignIn(person: Person): Promise<void> {
  await db.run(`delete from sign_ins where user_id = $1`, [mock.control.user(person.email).id])
}

async function signInAgain(page: Page, { email }: Person): Promise<void> {
  await page.fill('[name="email"]', email)
  await page.fill('[name="password"]', `password of ${email}`)
  await page.press('[name="password"]', 'Enter')
  await page.waitForSelector('.rail .purse')
}

interface Place {
  address: string
  field: string
  /** What is typed there; words, if not given. */
  text?: string
  /** What sends it. */
  send: string
}

/** Every form that people write in, on pages that have it. */
async function placesOf(person: Person): Promise<Place[]> {
  const { id } = await talk(db, person, 'hello')
  const { token } = await makePicture(app, person, 'a first pier')
  const card = (await person.post('/chat', { text: 'draw a pier' })).location
  await until('a card', async () => (await person.get(card)).html.querySelector('form.card'))
  await boundKey(app, person)
  const key = (await person.get('/agents')).html.querySelector('main a[href^="/agents/"]')!.getAttribute('href')!
  return [
    { address: '/images', field: '#prompt', send: '.pay .primary' },
    { address: '/images/batch', field: '#prompts', send: '#batch .primary >> nth=0' },
    { address: `/images/masks/new?reference=${token}`, field: '[name="x"]', text: '7', send: '#mask-rectangle button' },
    { address: '/chat', field: '#say', send: '.send' },
    { address: `/chat/${id}`, field: '#say', send: '.send' },
    { address: `/chat/${id}`, field: '[name="title"]', send: '[action$="/title"] button' },
    { address: `/chat/${id}`, field: '[action$="/instructions"] textarea', send: '[action$="/instructions"] button' },
    { address: `/chat/${id}`, field: '[action="/chat/settings"] textarea', send: '[action="/chat/settings"] button' },
    { address: `/chat/${id}`, field: '.edit textarea', send: '.edit .primary' },
    { address: card, field: '.card textarea', send: '.card .primary' },
    { address: '/agents', field: '#public-key', send: '[action="/agents"] button' },
    { address: key, field: '[action$="/name"] input', send: '[action$="/name"] button' },
    { address: key, field: '[action$="/limits"] input', text: '12', send: '[action$="/limits"] button' },
  ]
}

/** As a person writes there: what is folded is opened, and closed again. */
async function write(page: Page, { address, field, text = `words for ${field}` }: Place): Promise<string> {
  await page.goto(address)
  await page.evaluate(selector => {
    const found = document.querySelector(selector)!
    found.closest('details')?.setAttribute('open', '')
    found.closest<HTMLElement>('[popover]')?.showPopover()
  }, field)
  await page.fill(field, text)
  await page.evaluate(selector => {
    document.querySelector(selector)!.closest<HTMLElement>('[popover]')?.hidePopover()
  }, field)
  return text
}

/** Also with fields that are still to be filled in: this is about those that are. */
async function press(page: Page, { send }: Place): Promise<void> {
  await page
    .locator(send)
    .first()
    .evaluate((button: HTMLButtonElement) => {
      button.form!.noValidate = true
      button.click()
    })
}

async function isThere(page: Page, { field }: Place, text: string): Promise<void> {
  await page.waitForFunction(
    ([selector, words]) => document.querySelector<HTMLInputElement>(selector!)?.value === words,
    [field, text],
  )
}

for (const [turn, [what, leave]] of (
  [
    ['changes the language', (page: Page) => page.click('.prefs [name="language"]')],
    ['changes the theme', (page: Page) => page.click('.prefs [name="theme"][value="dark"]')],
    ['goes elsewhere and back', (page: Page) => page.click('.tab[href="/library"]')],
  ] as const
).entries()) {
  test(`whoever ${what} right after typing finds the words again`, { skip }, async () => {
    const person = await alice(app)
    const { page } = await openPage(browser, app.url, person)
    for (const place of someOf(await placesOf(person), 3, turn)) {
      const text = await write(page, place)
      await Promise.all([page.waitForEvent('framenavigated'), leave(page)])
      if (what.startsWith('goes')) await page.goBack()
      await isThere(page, place, text)
    }
  })
}

test('words of every form outlive an ended sign-in without JavaScript, sent as its button sends them', async () => {
  // A person is let in ten times a minute.
  for (const part of [0, 1]) {
    const person = await alice(app)
    const { email } = person
    for (const place of (await placesOf(person)).filter((_, index) => index % 2 === part)) {
      const { address, field, text = `words for ${field}` } = place
      const { html } = await person.get(address)
      const typed = html.querySelector(field)!
      const form = typed.closest('form')!
      const hidden = form.querySelectorAll('[type="hidden"][name]')
      const body = Object.fromEntries(
        hidden.map(each => [each.getAttribute('name')!, each.getAttribute('value') ?? '']),
      )
      body[typed.getAttribute('name')!] = text
      const isMultipart = form.hasAttribute('enctype') || form.querySelector('.primary[formenctype]')
      await endSignIn(person)
      // Of one address twenty forms are kept in ten minutes.
      await db.run('delete from rate_limits')
      const action = form.getAttribute('action')!
      const answer = await (isMultipart ? person.upload(action, [], body) : person.post(action, body))
      assert.match(answer.location, /^\/login\?/, action)
      await person.post('/login', { email, password: `password of ${email}`, next: address })
      const shown = (await person.get(address)).html.querySelectorAll('textarea, input')
      const values = shown.map(each => each.getAttribute('value') ?? each.textContent)
      assert.ok(values.includes(text), `${field} of ${address}: ${values.join(' | ')}`)
      await person.post('/kept/delete')
    }
  }
})

test('words of every form outlive an answer that is a fault', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  const places = someOf(await placesOf(person), 2)
  await page.route('**', route => {
    const isForm = route.request().method() === 'POST' && !/\/(draft|quote)$/.test(route.request().url())
    return isForm ? route.fulfill({ status: 502, body: 'a proxy says no' }) : route.continue()
  })
  for (const place of places) {
    const text = await write(page, place)
    const answer = page.waitForResponse(response => response.status() === 502)
    await press(page, place)
    const response = await answer
    if (response.request().isNavigationRequest()) {
      await page.waitForSelector('text=a proxy says no')
      await page.goBack()
    }
    await isThere(page, place, text)
  }
})

test('words typed right before going elsewhere are there on another device', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page } = await openPage(browser, app.url, person)
  for (const [address, field, tab] of [
    ['/images', '#prompt', '.tab[href="/library"]'],
    [`/chat/${id}`, '#say', '.tab[href="/account"]'],
  ] as const) {
    await page.goto(address)
    await page.fill(field, 'on my way out')
    await page.click(tab)
    await page.waitForURL(url => !address.startsWith(url.pathname))
    await until(
      'the draft',
      async () => (await person.get(address)).html.querySelector(field)?.text.trim() === 'on my way out',
    )
  }
})

test('what is typed while a picture is being asked for stays', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/images')
  let go = () => {}
  const gone = new Promise<void>(resolve => {
    go = resolve
  })
  await page.route(/\/images$/, async route => {
    if (route.request().method() === 'POST') await gone
    await route.continue()
  })
  await page.fill('#prompt', 'a fox')
  await page.click('.pay .primary')
  await page.fill('#prompt', 'a fox in the snow')
  await page.focus('.pay .primary')
  go()
  await page.waitForSelector('.job:has-text("a fox")')
  assert.equal(await page.inputValue('#prompt'), 'a fox in the snow')
})

test('settings of another picture that are asked for are not overwritten by what was typed before', {
  skip,
}, async () => {
  const person = await alice(app)
  const job = await ask(person, 'a lighthouse')
  await jobEnd(db, job)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', 'something else')
  await page.goto(`/images?from=${job}`)
  const quoted = page.waitForResponse(/\/images\/quote/)
  await page.selectOption('#composer [name="n"]', '2')
  await quoted
  await page.waitForSelector('#quote:has-text("2")')
  assert.equal(await page.inputValue('#prompt'), 'a lighthouse')
  await page.goto('/images')
  assert.equal(await page.inputValue('#prompt'), 'something else')
})

test('an open edit of a message outlives what comes into its thread meanwhile', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  await talk(db, person, 'the last word', id)
  const { page } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  const edit = '.message.user >> nth=0 >> .edit'
  await page.hover('.message.user >> nth=0')
  await page.click(`${edit} >> summary`)
  await page.fill(`${edit} >> textarea`, 'hello, and more')
  // In another browser the last message gets a version beside it.
  const beside = (await person.get(`/chat/${id}`)).html.querySelectorAll('.edit form')[0]!
  const fields = { text: 'another beginning', parent: beside.querySelector('[name="parent"]')!.getAttribute('value')! }
  await person.post(`/chat/${id}/messages`, fields)
  await page.waitForSelector('.said:has-text("another beginning")')
  await page.goto(`/chat/${id}?at=${beside.closest('.message')!.id.slice(2)}`)
  await page.waitForFunction(() =>
    [...document.querySelectorAll<HTMLTextAreaElement>('.edit textarea')].some(
      field => field.value === 'hello, and more' && field.closest('details')!.open,
    ),
  )
})

test('words outlive an ended sign-in, and are shown to nobody else', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page, complaints } = await openPage(browser, app.url, person)
  for (const [address, field, send] of [
    ['/images', '#prompt', '.pay .primary'],
    [`/chat/${id}`, '#say', '.send'],
  ] as const) {
    await page.goto(address)
    await page.fill(field, 'kept, as promised')
    await endSignIn(person)
    await page.click(send)
    await page.click('#notice a[href^="/login"]')
    await signInAgain(page, person)
    assert.equal(new URL(page.url()).pathname, address)
    assert.equal(await page.inputValue(field), 'kept, as promised')
  }
  assert.deepEqual(
    complaints.filter(each => !/401/.test(each)),
    [],
  )

  await page.fill('#say', 'nobody else')
  await endSignIn(person)
  await page.goto('/library')
  await signInAgain(page, await charlie(app))
  await page.goto('/chat')
  assert.equal(await page.inputValue('#say'), '')
  assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes('nobody else')), false)
})

test('a form that was taken does not come back, one that got lost on the way does', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  await page.click('[popovertarget="chat-menu"]')
  await page.fill('[name="title"]', 'A better name')
  await page.press('[name="title"]', 'Enter')
  await page.waitForSelector('#title:has-text("A better name")')
  assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage).includes('A better name')), false)

  await page.goto('/agents')
  await page.fill('#name', 'laptop')
  await page.fill('#public-key', 'ssh-ed25519 AAAA')
  await page.selectOption('#api-key', { index: 1 })
  await page.route('**/agents', route => (route.request().method() === 'POST' ? route.abort() : route.continue()))
  await page.press('#name', 'Enter')
  await page.waitForURL(({ protocol }) => protocol === 'chrome-error:')
  await page.unroute('**/agents')
  await page.goto('/agents')
  assert.equal(await page.inputValue('#public-key'), 'ssh-ed25519 AAAA')
})
