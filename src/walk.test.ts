import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { noChromium, openPage, startChromium } from './testing/chromium.ts'
import { alice, charlie, type Person } from './testing/people.ts'
import { testApp } from './testing/server.ts'
import { unzip } from './testing/unzip.ts'

const app = await testApp()
const guest = { cookie: () => 'nobody' } as unknown as Person
const cell = '.cell a[data-picture]'

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
const hands = {
  'on a wide screen': { options: {}, press: (what: Locator) => what.click(), tick: clickBox },
  'on a phone, by touch': { options: phone, press: (what: Locator) => what.tap(), tick: holdAndTap },
  'without JavaScript': {
    options: { javaScriptEnabled: false },
    press: (what: Locator) => what.click(),
    tick: clickBox,
  },
}

for (const [where, { options, press, tick }] of Object.entries(hands)) {
  test(`four pictures are made, found, shown, liked, remade, withdrawn, deleted, and taken along, ${where}`, {
    skip: noChromium,
  }, async () => {
    const isPlain = 'javaScriptEnabled' in options
    const owner = await openPage(browser, app.url, await alice(app), options)
    const stranger = await openPage(browser, app.url, guest, options)
    const other = await openPage(browser, app.url, await charlie(app), options)
    const { page } = owner
    const on = (selector: string) => press(page.locator(selector).first())
    const noticed = (words: string) => page.waitForSelector(`.notice:has-text("${words}")`)
    const library = async (count: number, address = '/library') => {
      await page.goto(address)
      assert.equal(await page.locator(cell).count(), count, address)
    }

    await page.goto('/images')
    await create(page, press, 'an evening ferry', '4')
    await page.waitForSelector('.state-done .picture >> nth=3')

    // Tagged, filed, a favourite, and found by each.
    await library(4)
    await tick(owner, [0, 1])
    await on('.selection summary:has-text("Tags")')
    await page.fill('.selection [name="tags"]', '港口, dusk')
    await on('.selection [value="tag"]')
    await noticed('tagged')
    await tick(owner, [1, 2])
    await on('.selection summary:has-text("Move")')
    await page.fill('.selection [name="folder"]', 'Harbour walks')
    await on('.selection [value="move"]')
    await noticed('moved')
    await tick(owner, [3])
    await on('.selection [value="favourite"]')
    await noticed('favourite')
    await library(1, '/library?favourite=on')
    await on('.library-ways a[href="/library/folders"]')
    await on('.folder-name:has-text("Harbour walks")')
    await page.waitForSelector('h1:has-text("Harbour walks")')
    assert.equal(await page.locator(cell).count(), 2)
    await page.goto('/library')
    await page.fill('.search-field [name="q"]', '港')
    await page.press('.search-field [name="q"]', 'Enter')
    await page.waitForURL(/q=/)
    assert.equal(await page.locator(cell).count(), 2)

    await tick(owner, [0, 1])
    await on('.selection [value="compare"]')
    await page.waitForSelector('#compare figure >> nth=1')
    await isDrawn(page.locator('#compare img').nth(1))

    // Shown to everybody, with its words.
    await page.goto('/library')
    const [id] = await page.locator(cell).evaluateAll(links => links.map(link => link.getAttribute('data-picture')))
    await page.goto(`/library/${id}`)
    await on(`.facts-actions a[href="/gallery/share?picture=${id}"]`)
    await page.locator('.share-form [name="prompt"]').check()
    await page.locator('.share-form [name="settings"]').check()
    await page.fill('.share-form [name="name"]', 'Alice')
    await on('.share-form .primary')
    await page.waitForURL(/\/gallery\/[0-9a-f-]{36}$/)
    const exhibit = new URL(page.url()).pathname

    await stranger.page.goto('/')
    await press(stranger.page.locator(`.exhibit > a[href="${exhibit}"]`))
    await stranger.page.waitForURL(`**${exhibit}`)
    await stranger.page.waitForSelector('.facts-prompt:has-text("an evening ferry")')
    await isDrawn(stranger.page.locator('.original img'))

    await other.page.goto(exhibit)
    await press(other.page.locator('.like button'))
    await other.page.waitForSelector('.like [aria-pressed="true"]:has-text("1")')
    await press(other.page.locator('.facts-actions a[href^="/images?remix="]'))
    await other.page.waitForSelector('#prompt')
    assert.equal(await other.page.inputValue('#prompt'), 'an evening ferry')
    assert.match(await other.page.locator('#quote').innerText(), /\$0\.\d/)
    await press(other.page.locator('.pay .primary'))
    await other.page.waitForSelector('.state-done .picture')

    // Taken back: its page, its bytes, and its place among the others.
    await page.goto('/gallery/mine')
    await on(`form[action="${exhibit}/withdraw"] button`)
    await page.waitForSelector('.shown-list, .empty')
    const alias = exhibit.replace('/gallery/', '/shared/')
    for (const gone of [exhibit, `${alias}/picture`, `${alias}/thumb`, `${alias}/card.jpg`])
      assert.equal((await stranger.context.request.get(gone)).status(), 404, gone)
    assert.equal((await stranger.page.reload())!.status(), 404)
    await stranger.page.goto('/gallery')
    assert.equal(await stranger.page.locator('.exhibit').count(), 0)

    // Deleted, and back again.
    await page.goto('/library')
    await on(cell)
    if (isPlain) {
      await on('.facts-actions .delete button')
      await noticed('trash')
      assert.equal(await page.locator(cell).count(), 3)
      await on('.notice button')
    } else {
      await page.waitForSelector('#lightbox[open]')
      await on('#lightbox [data-act="delete"]')
      await on('#lightbox [data-act="undo"]')
      await page.waitForSelector('.lightbox-undo', { state: 'hidden' })
      await on('#lightbox [data-act="close"]')
    }
    await page.waitForURL(/\/library$/)
    await page.locator(cell).nth(3).waitFor()

    await tick(owner, [0, 1, 2, 3])
    await on('.selection [formaction="/exports"]')
    await page.waitForURL(/\/exports/)
    await page.waitForSelector('.export-list a[download]')
    const [download] = await Promise.all([page.waitForEvent('download'), on('.export-list a[download]')])
    const zip = await readFile(await download.path())
    const entries = await unzip(zip)
    assert.equal([...entries.keys()].filter(name => name.endsWith('.png')).length, 4)

    // And into the library of somebody else, who has one of them already, to the byte.
    await other.page.goto('/imports')
    await other.page.setInputFiles('[name="file"]', { name: 'mine.zip', mimeType: 'application/zip', buffer: zip })
    await press(other.page.locator('form[action="/imports"] .primary'))
    await other.page.waitForSelector('.import-report .notice')
    await other.page.goto('/library')
    assert.equal(await other.page.locator(cell).count(), 4)

    const complaints = [owner, stranger, other].flatMap(each => each.complaints)
    assert.deepEqual(
      complaints.filter(complaint => !(complaint.includes('404') && complaint.endsWith(exhibit))),
      [],
    )
    for (const { context } of [owner, stranger, other]) await context.close()
  })
}

async function create(page: Page, press: (what: Locator) => Promise<void>, prompt: string, n: string): Promise<void> {
  await page.fill('#prompt', prompt)
  await page.selectOption('#composer [name="n"]', n)
  await press(page.locator('.pay .primary'))
}

interface Opened {
  page: Page
  context: BrowserContext
}

async function clickBox({ page }: Opened, which: readonly number[]): Promise<void> {
  for (const index of which) {
    await page.locator(cell).nth(index).hover()
    await page.locator('.pick input').nth(index).check()
  }
}

/** A finger that stays selects the first; taps the others. */
async function holdAndTap({ page, context }: Opened, [first, ...others]: readonly number[]): Promise<void> {
  const held = page.locator(cell).nth(first!)
  await held.scrollIntoViewIfNeeded()
  const { x, y, width, height } = (await held.boundingBox())!
  const client = await context.newCDPSession(page)
  const touch = (type: 'touchStart' | 'touchEnd', touchPoints: { x: number; y: number }[]) =>
    client.send('Input.dispatchTouchEvent', { type, touchPoints })
  await touch('touchStart', [{ x: x + width / 2, y: y + height / 2 }])
  await page.waitForSelector('.pick input:checked')
  await touch('touchEnd', [])
  for (const index of others) await page.locator(cell).nth(index).tap()
  assert.equal(await page.locator('.pick input:checked').count(), 1 + others.length)
}

async function isDrawn(picture: Locator): Promise<void> {
  await picture.waitFor()
  const { width, height } = (await picture.boundingBox())!
  assert.ok(width > 40 && height > 40)
  const bytes = await picture
    .page()
    .context()
    .request.get((await picture.getAttribute('src'))!)
  assert.match(bytes.headers()['content-type']!, /^image\//)
}
