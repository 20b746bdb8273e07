import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import sharp from 'sharp'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { collector, isOurs } from '../testing/collector.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
const cell = '.cell a[data-picture]'
const stage = '.lightbox-stage img'
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

test('a picture comes as large as the screen, whole only to who looks closer, and is given back when it closes', {
  skip,
}, async () => {
  const { page, asked, complaints } = await openLibrary(5)
  await page.locator(cell).first().click()
  await page.waitForFunction(selector => document.querySelector<HTMLImageElement>(selector)?.naturalWidth, stage)
  assert.deepEqual(wholes(asked), [])
  await page.keyboard.press('+')
  const shown = (await page.getAttribute(stage, 'src'))!.replace('/screen', '')
  await page.waitForFunction(
    ([selector, whole]) => document.querySelector(selector!)?.getAttribute('src') === whole,
    [stage, shown],
  )
  assert.deepEqual(wholes(asked), [shown])
  await page.keyboard.press('ArrowRight')
  assert.match((await page.getAttribute(stage, 'src'))!, /\/screen$/)

  // Over it lies the list of keys: what is pressed there is not meant for the picture.
  await page.keyboard.press('?')
  await page.waitForSelector('#keyboard[open]')
  await page.keyboard.press('Delete')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#keyboard:not([open])', { state: 'attached' })
  assert.equal(await page.locator('.cell .deleted').count(), 0)
  assert.equal(await page.locator('#lightbox[open]').count(), 1)
  await page.keyboard.press('Escape')
  await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
  assert.equal(await page.getAttribute(stage, 'src'), null)
  assert.equal(await page.locator('.lightbox-strip img').count(), 0)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('two fingers and a double tap zoom, a finger moves what is zoomed, and a swipe steps or closes', {
  skip,
}, async () => {
  const { page, context, complaints } = await openLibrary(5, phone)
  const touch = await finger(context, page)
  await page.locator(cell).nth(1).tap()
  await page.waitForSelector('#lightbox[open]')
  const scale = () => page.$eval(stage, picture => new DOMMatrix(getComputedStyle(picture).transform).a)
  const place = () => page.$eval(stage, picture => picture.getBoundingClientRect().left)

  const doubleTap = () => Promise.all([touch([200, 400]), touch([200, 400])])
  await doubleTap()
  assert.ok((await scale()) > 2, 'a double tap')
  const before = await place()
  await touch([200, 400], [120, 400])
  assert.ok((await place()) < before - 40, 'moved, not stepped')
  await doubleTap()
  assert.equal(await scale(), 1, 'a double tap again')

  const client = await context.newCDPSession(page)
  const pinch = (spread: number) => [
    { x: 200 - spread, y: 400, id: 1 },
    { x: 200 + spread, y: 400, id: 2 },
  ]
  await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: pinch(20) })
  for (const spread of [40, 60, 80])
    await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: pinch(spread) })
  await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
  assert.ok((await scale()) > 2.5, 'two fingers')
  await page.evaluate(() => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '0', bubbles: true })))
  assert.equal(await scale(), 1)

  const first = page.url()
  await touch([300, 400], [100, 410])
  await page.waitForURL(url => url.href !== first)
  await touch([200, 300], [205, 560])
  await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
  await page.waitForURL(/\/library$/)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('one Back leads out however far somebody stepped, also past what was loaded, and a film strip shows where', {
  skip,
}, async () => {
  const { page, complaints } = await openLibrary(130)
  await page.locator(cell).nth(56).scrollIntoViewIfNeeded()
  await page.locator(cell).nth(119).waitFor({ state: 'attached' })
  const before = await page.evaluate(() => [scrollY, document.body.scrollHeight])
  await page.locator(cell).nth(56).click()
  await page.waitForSelector('#lightbox[open]')
  assert.equal(await page.innerText('.lightbox-place'), '57 / 130')
  assert.deepEqual(
    await page.evaluate(() => [scrollY, document.body.scrollHeight]),
    before,
    'the list is as high as it was',
  )
  for (let step = 0; step < 10; step++) {
    await page.waitForSelector('[data-act="next"]:not(:disabled)')
    await page.keyboard.press('ArrowRight')
  }
  assert.equal(await page.innerText('.lightbox-place'), '67 / 130')
  const strip = page.locator('.lightbox-strip button')
  assert.ok((await strip.count()) <= 25)
  await page.locator('.lightbox-strip [aria-current] + button').click()
  assert.equal(await page.innerText('.lightbox-place'), '68 / 130')
  const seen = new URL(page.url()).pathname.slice('/library/'.length)
  await page.goBack()
  await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-picture')), seen)
  assert.ok(await page.locator(`#picture-${seen}`).evaluate(each => each.getBoundingClientRect().top < innerHeight))

  // Read anew it is a page, and Back from there leads to the same place of the list.
  await page.locator(`#picture-${seen} a`).click()
  await page.waitForSelector('#lightbox[open]')
  await page.reload()
  await page.waitForSelector('.picture-page')
  await page.goBack()
  await page.waitForFunction(id => {
    const box = document.getElementById(`picture-${id}`)?.getBoundingClientRect()
    return box && box.top < innerHeight && box.bottom > 0
  }, seen)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('Delete takes the picture that is seen when it is pressed, and Undo brings it back there', { skip }, async () => {
  const { page, context, complaints } = await openLibrary(6)
  const ids = await page.locator(cell).evaluateAll(links => links.map(link => link.getAttribute('data-picture')))
  await page.locator(cell).first().click()
  await page.waitForSelector('#lightbox[open]')
  for (const key of ['ArrowRight', 'ArrowRight', 'Delete', 'ArrowRight']) await page.keyboard.press(key)
  await page.waitForSelector('.cell .deleted', { state: 'attached' })
  assert.deepEqual(await deleted(page), [`picture-${ids[2]}`])
  await page.click('[data-act="undo"]')
  await page.waitForURL(`**/library/${ids[2]}`)
  assert.deepEqual(await deleted(page), [])
  assert.equal(await page.locator('#lightbox[open]').count(), 1)
  // Undone before the answer has come.
  const answer = Promise.withResolvers<void>()
  await page.route('**/delete?*', async route => {
    const response = await route.fetch()
    await answer.promise
    await route.fulfill({ response })
  })
  await page.keyboard.press('Delete')
  const restored = page.waitForResponse(/\/restore/)
  await page.keyboard.press('z')
  answer.resolve()
  await restored
  await page.waitForFunction(() => document.querySelectorAll('.cell a[data-picture]').length === 6)
  // Who leaves before that answer has come is left in the list, however often they press.
  await page.keyboard.press('Delete')
  await page.waitForSelector('.cell .deleted', { state: 'attached' })
  const late = Promise.withResolvers<void>()
  await page.route('**/restore?*', async route => {
    const response = await route.fetch()
    await late.promise
    await route.fulfill({ response })
  })
  await page.click('[data-act="undo"]')
  await page.$eval('[data-act="close"]', close => {
    for (let times = 0; times < 2; times++) (close as HTMLElement).click()
  })
  await page.waitForSelector('#lightbox:not([open])', { state: 'attached' })
  late.resolve()
  await page.waitForFunction(() => document.querySelectorAll('.cell a[data-picture]').length === 6)
  assert.equal(await page.locator('#lightbox[open]').count(), 0)
  assert.equal(new URL(page.url()).pathname, '/library')
  // However it is closed, the address is the list's again.
  await page.locator(cell).first().click()
  await page.$eval('#lightbox', dialog => (dialog as HTMLDialogElement).close())
  await page.waitForURL(/\/library$/)
  // A key of an input method is none of ours.
  await page.evaluate(() =>
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', keyCode: 229, bubbles: true })),
  )
  assert.deepEqual(await deleted(page), [])
  assert.match(await (await context.request.get('/library/trash')).text(), /The trash is empty/)
  assert.deepEqual(complaints.filter(isOurs), [])
})

async function openLibrary(count: number, options: Parameters<typeof openPage>[3] = {}) {
  const opened = await openPage(browser, app.url, await collector(app, count), options)
  const asked: string[] = []
  const square = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#8899aa' } })
    .png()
    .toBuffer()
  await opened.context.route('**/files/**', route => {
    asked.push(new URL(route.request().url()).pathname)
    return route.fulfill({ contentType: 'image/png', body: square })
  })
  await opened.page.goto('/library')
  return { ...opened, asked }
}

function wholes(asked: readonly string[]): string[] {
  return asked.filter(address => /^\/files\/[\w-]+$/.test(address))
}

function deleted(page: Page): Promise<string[]> {
  return page.locator('.cell:has(.deleted)').evaluateAll(cells => cells.map(({ id }) => id))
}

/** One finger, from here to there, or a tap. All of it is sent at once: what follows quickly here follows quickly there. */
async function finger(context: BrowserContext, page: Page) {
  const client = await context.newCDPSession(page)
  const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...touchPoints: { x: number; y: number }[]) =>
    client.send('Input.dispatchTouchEvent', { type, touchPoints })
  return async ([x, y]: [number, number], to?: [number, number]) => {
    const moves = to ? [0.5, 1].map(part => ({ x: x + (to[0] - x) * part, y: y + (to[1] - y) * part })) : []
    await Promise.all([send('touchStart', { x, y }), ...moves.map(at => send('touchMove', at)), send('touchEnd')])
  }
}
