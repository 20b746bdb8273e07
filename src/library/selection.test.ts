import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { collector, isOurs } from '../testing/collector.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
const cell = '.cell a[data-picture]'
const ticked = '.pick input:checked'
const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

test('a box selects what it touches, Esc gives back what was, and the scroll bar draws none', { skip }, async () => {
  const { page, complaints } = await openLibrary(40)
  const count = () => page.locator(ticked).count()
  const middle = async (index: number) => {
    const { x, y, width, height } = (await page.locator(cell).nth(index).boundingBox())!
    return { x: x + width / 2, y: y + height / 2 }
  }
  await page
    .locator(cell)
    .nth(4)
    .click({ modifiers: ['Control'] })
  const [from, to] = [await middle(0), await middle(2)]
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move(to.x, to.y, { steps: 4 })
  assert.equal(await count(), 3)
  await page.keyboard.press('Escape')
  assert.equal(await count(), 1, 'as before the box')
  await page.mouse.up()
  assert.equal(await count(), 1)
  assert.equal(await page.locator('#lightbox[open]').count(), 0)

  // With Ctrl it adds; from the scroll bar nothing begins.
  await page.keyboard.down('Control')
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move(to.x, to.y, { steps: 4 })
  await page.mouse.up()
  await page.keyboard.up('Control')
  assert.equal(await count(), 4)
  await page.evaluate(() => {
    const at = { bubbles: true, button: 0, pointerType: 'mouse', clientX: document.documentElement.clientWidth + 4 }
    document.querySelector('.library-page')!.dispatchEvent(new PointerEvent('pointerdown', at))
    dispatchEvent(new PointerEvent('pointermove', { ...at, clientX: 100, clientY: 400 }))
  })
  assert.equal(await page.locator('.select-box').count(), 0)
  assert.equal(await count(), 4)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('arrows go from picture to picture, with Shift they select, and no key counts while somebody writes', {
  skip,
}, async () => {
  const { page, complaints } = await openLibrary(12)
  const ids = await page.locator(cell).evaluateAll(links => links.map(link => link.getAttribute('data-picture')))
  const selected = () => page.locator(ticked).evaluateAll(boxes => boxes.map(box => (box as HTMLInputElement).value))
  await page.locator(cell).first().focus()
  await page.keyboard.press('ArrowRight')
  await page.keyboard.press('Shift+ArrowRight')
  await page.keyboard.press('Shift+ArrowRight')
  assert.deepEqual(await selected(), ids.slice(1, 4))
  await page.keyboard.press('x')
  assert.deepEqual(await selected(), ids.slice(1, 3))

  // In a field, in a dialog over the page, and in an input method.
  await page.focus('.search-field input')
  for (const key of ['x', 'Delete', 'Backspace']) await page.keyboard.press(key)
  await page.locator(cell).first().focus()
  await page.keyboard.press('?')
  await page.waitForSelector('#keyboard[open]')
  await page.keyboard.press('Delete')
  await page.keyboard.press('Escape')
  await page.waitForSelector('#keyboard:not([open])', { state: 'attached' })
  for (const composing of [{ isComposing: true }, { keyCode: 229 }]) {
    await page.evaluate(
      more => document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Delete', bubbles: true, ...more })),
      composing,
    )
  }
  assert.deepEqual(await selected(), ids.slice(1, 3))
  assert.equal(new URL(page.url()).search, '')
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('Delete pressed twice deletes once, and one Undo brings all of it back', { skip }, async () => {
  const { page, complaints } = await openLibrary(4)
  await page
    .locator(cell)
    .nth(0)
    .click({ modifiers: ['Control'] })
  await page
    .locator(cell)
    .nth(1)
    .click({ modifiers: ['Control'] })
  const sent: string[] = []
  const answer = Promise.withResolvers<void>()
  await page.route('**/library/selection', async route => {
    sent.push(route.request().postData() ?? '')
    await answer.promise
    await route.continue()
  })
  await page.keyboard.press('Delete')
  await page.keyboard.press('Delete')
  answer.resolve()
  await page.waitForSelector('.notice:has-text("trash")')
  assert.equal(sent.length, 1)
  await page.click('.notice button')
  await page.waitForFunction(() => document.querySelectorAll('.cell').length === 4)
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('a finger that moves scrolls and selects nothing; one that stays selects, and goes on over what it passes', {
  skip,
}, async () => {
  const { page, context, complaints } = await openLibrary(30, phone)
  const client = await context.newCDPSession(page)
  const send = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...touchPoints: { x: number; y: number }[]) =>
    client.send('Input.dispatchTouchEvent', { type, touchPoints })
  const middle = async (index: number) => {
    const { x, y, width, height } = (await page.locator(cell).nth(index).boundingBox())!
    return { x: x + width / 2, y: y + height / 2 }
  }
  const count = () => page.locator(ticked).count()
  const first = await middle(3)
  // All at once: on a machine that is busy a finger would stay too long between one and the next.
  await Promise.all([
    send('touchStart', first),
    ...[20, 60, 120].map(by => send('touchMove', { x: first.x, y: first.y - by })),
  ])
  await page.waitForFunction(() => scrollY > 0)
  await send('touchEnd')
  assert.equal(await count(), 0)
  assert.equal(await page.locator('.select-box').count(), 0)

  // Anew: the list goes on gliding for a while.
  await page.reload()
  await page.waitForFunction(() => scrollY === 0 || scrollTo(0, 0))
  const menus = await page.evaluateHandle(() => {
    const seen: boolean[] = []
    addEventListener('contextmenu', event => seen.push(event.defaultPrevented))
    return seen
  })

  await send('touchStart', await middle(6))
  await page.waitForSelector(ticked)
  assert.equal(await count(), 1)
  await page.evaluate(() =>
    document.querySelector('.cell')!.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true })),
  )
  await send('touchMove', await middle(7))
  // A finger is never quite still, and a browser that is busy leaves out some of where it was.
  const last = await middle(8)
  for (let moved = 0; moved < 50 && (await count()) < 3; moved++)
    await send('touchMove', { x: last.x, y: last.y + (moved % 2) })
  await send('touchEnd')
  assert.equal(await count(), 3)
  await page.evaluate(() =>
    document.querySelector('.cell')!.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true })),
  )
  assert.deepEqual(
    await menus.jsonValue(),
    [true, false],
    'the menu of the browser is kept away during the gesture only',
  )

  // A tap goes on selecting; once nothing is selected it opens again.
  await page.locator(cell).nth(6).tap()
  assert.equal(await count(), 2)
  await page.click('[data-select="none"]')
  await page.locator(cell).nth(3).tap()
  await page.waitForSelector('#lightbox[open]')
  assert.deepEqual(complaints.filter(isOurs), [])
})

test('nothing moves while the list grows, every picture has its size before it comes, and a gone one leaves its place', {
  skip,
}, async () => {
  const { page, person, complaints } = await openLibrary(150)
  const shift = await page.evaluateHandle(() => {
    const seen = { sum: 0 }
    new PerformanceObserver(list => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[])
        if (!entry.hadRecentInput) seen.sum += entry.value
    }).observe({ type: 'layout-shift', buffered: true })
    return seen
  })
  await page.waitForFunction(() => {
    scrollTo(0, document.documentElement.scrollHeight)
    return document.querySelectorAll('.cell').length >= 150
  })
  const sizes = await page
    .locator('.cell img')
    .evaluateAll(pictures => pictures.map(each => [each.getAttribute('width'), each.getAttribute('height')].join()))
  assert.deepEqual([...new Set(sizes)], ['1024,1024'])
  assert.equal((await shift.jsonValue()).sum, 0)

  // The picture at the top goes while somebody is elsewhere: its neighbour stands there.
  await page.locator(cell).nth(90).scrollIntoViewIfNeeded()
  const top = await page.evaluate(() => {
    const all = [...document.querySelectorAll('.cell')]
    const at = all.findIndex(each => each.getBoundingClientRect().bottom > 80)
    return { gone: all[at]!.id.slice('picture-'.length), next: all[at + 1]!.id }
  })
  await page.goto('/account')
  await person.post(`/library/${top.gone}/delete`)
  await page.goBack()
  await page.waitForFunction(() => document.querySelectorAll('.cell').length === 149)
  await page.waitForFunction(id => {
    const box = document.getElementById(id)!.getBoundingClientRect()
    return box.top < innerHeight / 2 && box.bottom > 0
  }, top.next)
  assert.deepEqual(complaints.filter(isOurs), [])
})

async function openLibrary(count: number, options: Parameters<typeof openPage>[3] = {}) {
  const person = await collector(app, count)
  const opened = await openPage(browser, app.url, person, options)
  await showSquares(opened.page)
  await opened.page.goto('/library')
  return { ...opened, person }
}

/** The same square for every picture. */
async function showSquares(page: Page): Promise<void> {
  const body = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#8899aa' } })
    .png()
    .toBuffer()
  await page.context().route('**/files/**', route => route.fulfill({ contentType: 'image/png', body }))
}
