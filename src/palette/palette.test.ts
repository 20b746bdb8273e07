import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { talk } from '../testing/conversations.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

/** A picture and a conversation, each of a pier. */
async function withPiers(person: Person): Promise<{ job: string; conversation: string }> {
  const job = await ask(person, 'a 码头 pier at dawn, 50%_off')
  await jobEnd(app.db, job)
  const { id } = await talk(app.db, person, 'which pier is longest?')
  return { job, conversation: id }
}

test('what is recent is offered, and what has all the words that were typed; nothing of anybody else', async () => {
  const person = await alice(app)
  const { job, conversation } = await withPiers(person)
  const linksOf = async (who: Person, path: string) =>
    (await who.get(path)).html.querySelectorAll('#palette-found a').map(link => link.getAttribute('href')!)

  for (const q of ['', 'PIER', '码头', 'dawn pier', '50%_off']) {
    const links = await linksOf(person, `/palette?${new URLSearchParams({ q })}`)
    assert.ok(links.includes(`/images?from=${job}`), q)
    assert.ok(
      links.some(link => /^\/library\/[\w-]{36}$/.test(link)),
      q,
    )
    assert.equal(links.includes(`/chat/${conversation}`), q === '' || q === 'PIER', q)
  }
  for (const q of ['nothing like it', '%', 'e_d', '<script>', '\\', '\u202eabc', "'"]) {
    const links = await linksOf(person, `/palette/found?${new URLSearchParams({ q })}`)
    assert.equal(links.filter(link => link.includes(job)).length, q === '%' ? 1 : 0, q)
  }
  const stranger = await charlie(app)
  for (const path of ['/palette', '/palette?q=pier', '/palette/found?q=pier']) {
    assert.deepEqual(await linksOf(stranger, path), [], path)
  }
})

test('the pages are found by their names in the language of the reader', async () => {
  const person = await alice(app)
  const pagesFor = async (q: string) =>
    (await person.get(`/palette?${new URLSearchParams({ q })}`)).html
      .querySelectorAll('#palette-commands a')
      .map(link => link.getAttribute('href'))
  assert.deepEqual(await pagesFor('trash'), ['/library/trash'])
  await person.post('/preferences', { language: 'zh-CN', back: '/' })
  assert.deepEqual(await pagesFor('回收站'), ['/library/trash'])
})

test('prompts that are kept are found by name and words, and open as what they are', async () => {
  const person = await alice(app)
  const keep = async (name: string, prompt: string) =>
    (await person.post('/prompts', { name, prompt })).location.split('-').slice(1).join('-')
  const plain = await keep('Dusk', 'a quiet 港口')
  const open = await keep('Street', 'a {color} tram')
  const found = async (who: Person, q: string) =>
    (await who.get(`/palette?${new URLSearchParams({ q })}`)).html
      .querySelectorAll('#palette-found a[href*="saved"]')
      .map(link => link.getAttribute('href'))
  assert.deepEqual(await found(person, 'dusk 港口'), [`/images?saved=${plain}`])
  assert.deepEqual(await found(person, 'TRAM'), [`/prompts#saved-${open}`])
  assert.deepEqual(await found(person, 'tram dusk'), [])
  assert.deepEqual(await found(await charlie(app), 'tram'), [])
})

test('another key is chosen there, and the page behind stays the place to be', async () => {
  const person = await signedIn(app, 'several@example.com')
  const found = await person.get('/palette/found?back=/chat')
  const form = found.html.querySelector('#palette-found form')!
  const keyId = form.querySelector('button')!.getAttribute('value')!
  assert.equal(form.querySelector('[name="next"]')!.getAttribute('value'), '/chat')
  const { location } = await person.post('/account/key', { key_id: keyId, next: '/chat' })
  assert.equal(location, '/chat')
  const elsewhere = await person.get('/palette/found?back=//elsewhere.example')
  assert.equal(elsewhere.html.querySelector('#palette-found [name="next"]')?.getAttribute('value'), '/images')
})

test('Ctrl+K finds and opens by keys alone, from a page that is being written in', { skip }, async () => {
  const person = await alice(app)
  const { conversation } = await withPiers(person)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', 'unfinished')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette[open]')
  await page.keyboard.type('longest')
  await page.waitForSelector(`#palette a[href="/chat/${conversation}"]`)
  await page.waitForSelector('#palette-commands', { state: 'hidden' })
  await page.keyboard.press('Enter')
  await page.waitForURL(`**/chat/${conversation}`)

  await page.goto('/images')
  assert.equal(await page.inputValue('#prompt'), 'unfinished')
  await page.locator('body').click({ position: { x: 700, y: 5 } })
  await page.keyboard.press('Control+k')
  await page.keyboard.type('dark')
  await page.waitForFunction(() => document.activeElement?.id === 'palette-words')
  await page.keyboard.press('ArrowDown')
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-press')), '.themes [value="dark"]')
  await page.keyboard.press('Enter')
  await page.waitForSelector('html[data-theme="dark"]')
  await page.keyboard.press('Control+k')
  await page.waitForSelector('#palette[open]')
  await page.keyboard.type('zzzz')
  await page.waitForSelector('.palette-nothing:visible')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#palette:not([open])', { state: 'attached' })
  assert.deepEqual(complaints, [])
})

test('every command goes by its keys, as the list of keys has them', { skip }, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/account')
  const commands = await page.$$eval('#keyboard [data-go]', rows =>
    rows.map(row => [row.getAttribute('data-keys')!, row.getAttribute('data-go')!] as const),
  )
  assert.ok(commands.length > 8)
  for (const [keys, address] of commands) {
    // Some pages begin in a field, where letters are letters.
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
    for (const key of keys.split(' ')) await page.keyboard.press(key)
    await page.waitForURL(`**${address}`)
  }
  await page.goto('/account')
  for (const key of ['t', 'l']) await page.keyboard.press(key)
  await page.waitForSelector('html[data-theme="light"]')
  assert.deepEqual(complaints, [])
})
