import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Browser, Frame, Page } from 'playwright-core'
import { noChromium, startChromium } from '../testing/chromium.ts'
import { menuSite } from '../testing/menu-site.ts'
import { signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const site = await menuSite()
const stranger = await menuSite()
const app = await testApp({ embedOrigin: site.origin, publicOrigin: 'http://127.0.0.1' })

/** Errors of scripts: in a frame browsers keep from a page what they give it elsewhere. */
const complaints: string[] = []
let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => {
  await browser?.close()
  assert.deepEqual(complaints, [])
})

/** Of somebody who has a picture. */
async function tokenOf(email: string): Promise<string> {
  const person = await signedIn(app, email)
  await makePicture(app, person, 'a fox')
  return app.mock.control.user(email).accessTokens.at(-1)!
}

function addressed(token: string, path = '/library'): string {
  const fixed = { user_id: '1', token, theme: 'dark', lang: 'en', ui_mode: 'embedded', src_host: site.origin }
  return `${app.url}${path}?${new URLSearchParams(fixed)}`
}

async function openMenu(
  t: { after(done: () => Promise<void>): void },
  at = site,
  javaScriptEnabled = true,
): Promise<Page> {
  const viewport = { width: 1280, height: 900 }
  const context = await browser.newContext({ viewport, acceptDownloads: true, javaScriptEnabled })
  t.after(() => context.close())
  const page = await context.newPage()
  page.on('pageerror', error => complaints.push(String(error)))
  await page.goto(at.origin)
  return page
}

async function frameOf(page: Page, path: string): Promise<Frame> {
  const found = () => page.frames().find(each => each.url() === app.url + path)
  const frame = await until(`a frame at ${path}`, async () => found())
  // With its scripts.
  await frame.waitForLoadState()
  return frame
}

test('in a frame people are signed in, in the theme of the site, and everything works there', {
  skip: noChromium,
}, async t => {
  const email = 'framed@example.com'
  site.open(addressed(await tokenOf(email)))
  const page = await openMenu(t)
  const frame = await frameOf(page, '/library')
  assert.equal(await frame.locator('html').getAttribute('data-theme'), 'dark')
  assert.equal(await frame.evaluate(() => document.referrer), '', 'nobody is told where from')

  // By htmx, and as a form.
  await frame.locator('[data-picture]').first().click()
  await frame.locator('#lightbox[open]').waitFor()
  await page.keyboard.press('Escape')
  await frame.locator('.prefs [name="theme"][value="light"]').click()
  await until('the theme', async () => (await frame.locator('html').getAttribute('data-theme')) === 'light')
  await frame.goto(`${app.url}/account`)
  assert.match(await frame.locator('.page-head').innerText(), new RegExp(email))
})

for (const javaScript of [true, false]) {
  test(`a picture can be downloaded in the frame, ${javaScript ? 'with' : 'without'} JavaScript`, {
    skip: noChromium,
  }, async t => {
    site.open(addressed(await tokenOf(`loader-${javaScript}@example.com`)))
    const page = await openMenu(t, site, javaScript)
    const frame = await frameOf(page, '/library')
    const id = await frame.locator('[data-picture]').first().getAttribute('data-picture')
    await frame.goto(`${app.url}/library/${id}`)
    const link = frame.locator('.facts-actions a[href*="download="]').first()
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()])
    const bytes = await readFile(await download.path())
    assert.ok(bytes.length > 1000 && !bytes.subarray(0, 200).toString().includes('<html'))
  })
}

test('a new window of the frame is signed in as the frame is', { skip: noChromium }, async t => {
  const email = 'opener@example.com'
  site.open(addressed(await tokenOf(email)))
  const page = await openMenu(t)
  const frame = await frameOf(page, '/library')
  const [opened] = await Promise.all([
    page.context().waitForEvent('page'),
    frame.locator('.rail a[href="/account"]').click({ modifiers: ['ControlOrMeta'] }),
  ])
  await opened.waitForURL(`${app.url}/account`)
  assert.match(await opened.locator('.page-head').innerText(), new RegExp(email))
  assert.equal(await opened.evaluate(() => window.opener === null), true)
})

test('in a tab of its own a link asks first, and then people are signed in', { skip: noChromium }, async t => {
  const email = 'tab@example.com'
  site.open(addressed(await tokenOf(email)))
  const page = await openMenu(t)
  await page.goto(`${site.origin}/link`)
  const [opened] = await Promise.all([page.context().waitForEvent('page'), page.click('a')])
  await opened.waitForURL(`${app.url}/hand-over`)
  await opened.getByRole('button', { name: `Continue as ${email}` }).click()
  await opened.waitForURL(`${app.url}/library`)
  await opened.goBack()
  assert.doesNotMatch(opened.url(), /token/)
})

test('a page of another site shows nothing of ours', { skip: noChromium }, async t => {
  stranger.open(addressed(await tokenOf('victim@example.com')))
  const page = await openMenu(t, stranger)
  await until('the browser refuses', async () => page.frames().some(frame => frame.url().startsWith('chrome-error:')))
})
