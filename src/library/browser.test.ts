import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { collector, isOurs } from '../testing/collector.ts'
import type { Person } from '../testing/people.ts'
import { charlie } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
let app: TestApp
let browser: Browser

before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => {
  await browser?.close()
})

const cell = '.cell a[data-picture]'
const ticked = '.pick input:checked'

test('a picture opens at an address of its own, and every way out leads back to its place in the list', {
  skip,
}, async () => {
  const { page, complaints } = await openLibrary(await collector(app, 150))
  await scrollToEnd(page, 150)
  await page.waitForURL(/through=/)
  const list = page.url()
  const far = page.locator(cell).nth(100)
  await far.scrollIntoViewIfNeeded()
  const stands = await page.evaluate(() => scrollY)

  const ways: [name: string, go: () => Promise<unknown>][] = [
    ['Esc', () => page.keyboard.press('Escape')],
    ['close', () => page.click('[data-act="close"]')],
    ['Back', () => page.goBack()],
  ]
  for (const [way, go] of ways) {
    await far.click()
    await page.waitForSelector('#lightbox[open]')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    assert.match(page.url(), /\/library\/[0-9a-f-]{36}/, way)
    await go()
    await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
    await page.waitForURL(list)
    assert.ok(Math.abs((await page.evaluate(() => scrollY)) - stands) < 400, way)
  }

  // Reload, and coming back from elsewhere, show as much and stand where they stood.
  const first = await topmost(page)
  for (const go of [() => page.reload(), () => page.goto('/account').then(() => page.goBack())]) {
    await go()
    await page.waitForFunction(() => document.querySelectorAll('.cell').length === 150)
    await page.waitForFunction(id => document.getElementById(id)!.getBoundingClientRect().bottom > 60, first)
    assert.equal(await topmost(page), first)
  }
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('Delete held down takes one picture, with undo in its place', { skip }, async () => {
  const { page, complaints } = await openLibrary(await collector(app, 5))
  await page.click(cell)
  await page.waitForSelector('#lightbox[open]')
  await page.keyboard.down('Delete')
  await page.keyboard.down('Delete')
  await page.keyboard.down('Delete')
  await page.keyboard.up('Delete')
  await page.waitForSelector('.cell .deleted', { state: 'attached' })
  assert.equal(await page.locator('.cell .deleted').count(), 1)
  await page.click('[data-act="undo"]')
  await page.waitForFunction(() => document.querySelectorAll('.cell a[data-picture]').length === 5)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('pictures are selected by click, Shift, Ctrl, a box and keys, and tagged and deleted together', {
  skip,
}, async () => {
  const { page, complaints } = await openLibrary(await collector(app, 12))
  const nth = (index: number) => page.locator(cell).nth(index)
  const count = () => page.locator(ticked).count()
  await nth(0).click({ modifiers: ['Control'] })
  await nth(3).click({ modifiers: ['Shift'] })
  assert.equal(await count(), 4)
  await nth(1).click()
  assert.equal(await count(), 3, 'a plain click goes on selecting')
  await page.keyboard.press('Escape')
  assert.equal(await count(), 0)

  const box = (await nth(5).boundingBox())!
  await page.mouse.move(box.x + 60, box.y + 60)
  await page.mouse.down()
  await page.mouse.move(box.x + 100, box.y + 100, { steps: 5 })
  await page.mouse.up()
  assert.equal(await count(), 1)
  assert.equal(await page.locator('#lightbox[open]').count(), 0, 'the end of a box opens nothing')

  await page.click('.selection summary:has-text("Tags")')
  await page.fill('.selection [name="tags"]', 'night, 灯塔')
  await page.keyboard.press('Delete')
  assert.equal(await page.locator('.cell').count(), 12, 'Delete in a field deletes no picture')
  await page.fill('.selection [name="tags"]', 'night, 灯塔')
  await page.click('.selection [value="tag"]')
  await page.waitForSelector('.notice:has-text("tagged")')
  await page.waitForLoadState()

  await page.keyboard.press('Control+a')
  assert.equal(await count(), 12)
  await page.keyboard.press('Delete')
  await page.waitForSelector('.notice:has-text("trash")')
  await page.click('.notice button')
  await page.waitForFunction(() => document.querySelectorAll('.cell').length === 12)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('tags are suggested behind those that stand there, and folders by their names', { skip }, async () => {
  const owner = await collector(app, 2)
  const { page, complaints } = await openLibrary(owner)
  const ids = await page.locator(cell).evaluateAll(links => links.map(link => link.getAttribute('data-picture')!))
  await owner.post(`/library/${ids[0]}/details`, { folder: 'Harbour', tags: 'Dusk, 港口, <b>' })
  const stranger = await charlie(app)
  assert.doesNotMatch((await stranger.get('/library/names')).text, /Dusk|Harbour/, 'to others nothing of it')
  await page.goto(`${app.url}/library/${ids[1]}`)
  const tags = page.locator('.describe [name="tags"]')
  const offered = (list: string) =>
    page
      .locator(`#${list} option:not([disabled])`)
      .evaluateAll(all => all.map(each => (each as HTMLOptionElement).value))
  assert.deepEqual(await offered('tag-names'), [], 'nothing before somebody is about to write')
  await tags.focus()
  await page.waitForSelector('#tag-names option', { state: 'attached' })
  assert.deepEqual(await offered('folder-names'), ['Harbour'])
  assert.deepEqual((await offered('tag-names')).toSorted(), ['<b>', 'Dusk', '港口'])
  await tags.pressSequentially('dusk，港')
  assert.deepEqual((await offered('tag-names')).toSorted(), ['dusk，<b>', 'dusk，港口'])
  await tags.fill('')
  assert.deepEqual((await offered('tag-names')).toSorted(), ['<b>', 'Dusk', '港口'])
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('on a phone a tap opens, a long press selects, and filters fit the screen', { skip }, async () => {
  const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
  const { page, context, complaints } = await openLibrary(await collector(app, 9), phone)
  await page.locator(cell).first().tap()
  await page.waitForSelector('#lightbox[open]')
  await page.goBack()
  await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
  const { x, y, width, height } = (await page.locator(cell).nth(1).boundingBox())!
  const client = await context.newCDPSession(page)
  const at = [{ x: x + width / 2, y: y + height / 2 }]
  await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at })
  await page.waitForSelector(ticked)
  await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
  assert.equal(await page.locator(ticked).count(), 1)
  assert.equal(await page.locator('#lightbox[open]').count(), 0)
  await page.click('[data-filters]')
  await page.waitForSelector('.filters button')
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('without JavaScript pictures are ticked, filed and found again by forms and links', { skip }, async () => {
  const { page } = await openLibrary(await collector(app, 70), { javaScriptEnabled: false })
  assert.equal(await page.locator('.cell').count(), 60)
  await page.locator('.pick input').first().check()
  await page.locator('.pick input').nth(1).check()
  await page.click('.selection summary:has-text("Move")')
  await page.fill('.selection [name="folder"]', '散步')
  await page.click('.selection [value="move"]')
  await page.click('a[href="/library/folders"]')
  await page.click('.folder-name:has-text("散步")')
  assert.equal(await page.locator('.cell').count(), 2)
  await page.goto('/library')
  await page.click('#older a')
  assert.equal(await page.locator('.cell').count(), 10)
  await page.click('[data-filters]')
  await page.selectOption('[name="sort"]', 'oldest')
  await page.click('.filter-acts button')
  await page.waitForURL(/sort=oldest/)
})

/** A page of theirs that shows the same square for every picture. */
async function openLibrary(person: Person, options: Parameters<typeof openPage>[3] = {}) {
  const opened = await openPage(browser, app.url, person, options)
  const square = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#8899aa' } })
    .png()
    .toBuffer()
  await opened.context.route('**/files/**', route => route.fulfill({ contentType: 'image/png', body: square }))
  await opened.page.goto('/library')
  return opened
}

/** Scrolls until so many are there. */
async function scrollToEnd(page: Page, count: number): Promise<void> {
  await page.waitForFunction(least => {
    scrollTo(0, document.documentElement.scrollHeight)
    return document.querySelectorAll('.cell').length >= least
  }, count)
}

function topmost(page: Page): Promise<string> {
  return page.evaluate(
    () => [...document.querySelectorAll('.cell')].find(each => each.getBoundingClientRect().bottom > 80)!.id,
  )
}
