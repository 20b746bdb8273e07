import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { bring } from '../testing/brought.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const skip = noChromium
let app: TestApp
let browser: Browser
before(async () => {
  app = await testApp()
  if (!skip) browser = await startChromium()
})
after(async () => browser?.close())

const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }

/** Left half red, right half blue, 400 × 200. */
async function halves(): Promise<Buffer> {
  const half = (background: string) =>
    sharp({ create: { width: 200, height: 200, channels: 3, background } })
      .png()
      .toBuffer()
  return sharp(await half('#f00'))
    .extend({ right: 200 })
    .composite([{ input: await half('#00f'), left: 200, top: 0 }])
    .png()
    .toBuffer()
}

async function open(person: Person, address: string, options = {}) {
  const { page, complaints } = await openPage(browser, app.url, person, options)
  await page.goto(address)
  return { page, complaints }
}

async function fieldsOf(page: Page, names: readonly string[]): Promise<string[]> {
  return Promise.all(names.map(name => page.inputValue(`[name="${name}"]`)))
}

test('a frame is dragged, moved by keys and turned as it is seen; on a phone by touch', { skip }, async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await halves() })
  const { page, complaints } = await open(person, `/derive/${a!.id}/crop`)
  const area = ['x', 'y', 'width', 'height']
  const frame = page.locator('#crop-frame')
  const box = (await frame.boundingBox())!
  await page.mouse.move(box.x + box.width, box.y + box.height)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 4 })
  await page.mouse.up()
  assert.deepEqual(await fieldsOf(page, area), ['0', '0', '200', '100'])
  await frame.press('Shift+ArrowRight')
  await frame.press('ArrowDown')
  await frame.press('Control+ArrowRight')
  assert.deepEqual(await fieldsOf(page, area), ['10', '1', '201', '100'])

  // Turned to the left, the top of what is seen is the right of the picture.
  await page.click('[data-act="left"]')
  await frame.press('ArrowUp')
  assert.deepEqual(await fieldsOf(page, [...area, 'turn']), ['11', '1', '201', '100', '270'])
  await page.click('[data-act="across"]')
  await page.click('[data-act="right"]')
  assert.deepEqual([await page.inputValue('[name="turn"]'), await page.isChecked('[name="mirror"]')], ['180', true])
  await page.selectOption('[name="ratio"]', '1:1')
  assert.deepEqual(await fieldsOf(page, ['width', 'height']), ['100', '100'])
  await page.click('button.primary')
  await page.waitForURL('**/library/*')
  assert.match((await page.textContent('.facts .list')) ?? '', /100 × 100/)
  assert.deepEqual(complaints, [])

  const phone = await open(person, `/derive/${a!.id}/crop`, PHONE)
  const there = (await phone.page.locator('#crop-frame').boundingBox())!
  const touch = async (type: string, x: number, y: number) =>
    phone.page
      .locator('[data-edges="e"]')
      .dispatchEvent(type, { pointerId: 1, pointerType: 'touch', button: 0, clientX: x, clientY: y })
  await phone.page.evaluate(() => {
    Element.prototype.setPointerCapture = () => {}
  })
  await touch('pointerdown', there.x + there.width, there.y)
  await touch('pointermove', there.x + there.width * 0.75, there.y)
  await touch('pointerup', there.x + there.width * 0.75, there.y)
  assert.deepEqual(await fieldsOf(phone.page, area), ['0', '0', '300', '200'])
  assert.ok(await phone.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
})

test('the difference of two pictures is black where they are the same, brighter as it is amplified; other sizes are told', {
  skip,
}, async () => {
  const person = await alice(app)
  const flat = (blue: number, width = 64) =>
    sharp({ create: { width, height: 64, channels: 3, background: { r: 100, g: 100, b: blue } } })
      .png()
      .toBuffer()
  const { a, b, c } = await bring(app, person, { a: await flat(100), b: await flat(110), c: await flat(100, 128) })
  const { page, complaints } = await open(person, `/library/compare?a=${a!.id}&b=${b!.id}`)
  await page.click('[data-mode="difference"]')
  await page.locator('#compare-amplify').fill('5')
  const middle = await sharp(await page.locator('#compare').screenshot({ animations: 'disabled' }))
    .extract({ left: 20, top: 20, width: 1, height: 1 })
    .removeAlpha()
    .raw()
    .toBuffer()
  assert.deepEqual([...middle], [0, 0, 50])
  assert.doesNotMatch((await page.textContent('#compare-difference')) ?? '', /differ, /)
  await page.goto(`/library/compare?a=${a!.id}&b=${c!.id}`)
  await page.click('[data-mode="difference"]')
  assert.match((await page.textContent('#compare-difference')) ?? '', /proportions differ, 64 × 64 and 128 × 64/)
  await page.click('[data-mode="side"]')
  assert.equal(await page.isVisible('#compare-difference'), false)
  assert.deepEqual(complaints, [])
})

test('a canvas is made larger by its edges, and the picture moved on it, by pointer and by keys', {
  skip,
}, async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await halves() })
  const { page, complaints } = await open(person, `/derive/${a!.id}/extend`)
  const canvas = page.locator('#extend-canvas')
  const sides = ['left', 'top', 'right', 'bottom']
  const box = (await canvas.boundingBox())!
  assert.ok(Math.abs(box.width - 400) <= 2, 'at its own size')
  await page.mouse.move(box.x + box.width, box.y + box.height / 2)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width + 80, box.y, { steps: 3 })
  await page.mouse.up()
  assert.deepEqual(await fieldsOf(page, sides), ['0', '0', '80', '0'])
  await canvas.press('ArrowRight')
  await canvas.press('Control+ArrowDown')
  assert.deepEqual(await fieldsOf(page, sides), ['16', '0', '64', '16'])
  await page.selectOption('[name="ratio"]', '1:1')
  const added = (await fieldsOf(page, sides)).map(Number)
  assert.equal(400 + added[0]! + added[2]!, 200 + added[1]! + added[3]!)
  await page.click('button.primary')
  await page.waitForURL('**/images')
  await page.waitForSelector('#mask [name="mask"]:not([value=""])', { state: 'attached' })
  assert.deepEqual(complaints, [])
})

test('a picture that is focused or pointed at opens large by o and becomes a reference by r, wherever it is', {
  skip,
}, async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await halves() })
  const job = await ask(person, 'a pier to look at')
  await jobEnd(app.db, job)
  const { page, complaints } = await open(person, '/library')
  const isOpen = '#lightbox[open]'
  await page.focus(`a[data-picture="${a!.id}"]`)
  await page.keyboard.press('o')
  await page.waitForSelector(isOpen)
  await page.keyboard.press('Escape')
  await page.waitForSelector(isOpen, { state: 'hidden' })
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  await page.hover(`#picture-${a!.id} .media`)
  await page.keyboard.press('r')
  await page.waitForURL('**/images?reference=*')
  await page.waitForSelector(`#reference-list [data-token="${a!.token}"]`)

  // In Create, and on a job's page, out of what is open, too; not while typing.
  const made = page.locator('#today a[data-picture]').first()
  await page.fill('#prompt', '')
  await page.locator('#prompt').press('r')
  assert.equal(await page.inputValue('#prompt'), 'r')
  await made.focus()
  await page.keyboard.press('o')
  await page.waitForSelector(isOpen)
  await page.keyboard.press('r')
  await page.waitForFunction(() => document.querySelectorAll('#reference-list [data-token]').length === 2)
  await page.goto(`/images/${job}`)
  await page.hover('a[data-picture]')
  await page.keyboard.press('o')
  await page.waitForSelector(isOpen)
  await page.goto(`/library/${a!.id}`)
  await page.keyboard.press('r')
  await page.waitForURL('**/images?reference=*')
  const rows = await page.$$eval('#keyboard .keys > div', all => all.map(row => row.textContent ?? ''))
  for (const key of ['o', 'r'])
    assert.ok(
      rows.some(row => row.trim().startsWith(`${key} `)),
      key,
    )
  assert.deepEqual(complaints, [])
})

test('a mark is drawn by hand or chosen by keys, shows over the picture, and its words get the focus', {
  skip,
}, async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await halves() })
  const { page, complaints } = await open(person, `/derive/${a!.id}/marks`, PHONE)
  const over = page.locator('.marks-over')
  await over.scrollIntoViewIfNeeded()
  const box = (await over.boundingBox())!
  await page.mouse.move(box.x + box.width / 4, box.y + box.height / 4)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 3 })
  await page.mouse.up()
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'words1')
  await page.keyboard.type('a boat')
  const near = async (name: string, value: number) =>
    assert.ok(Math.abs(Number(await page.inputValue(`[name="${name}"]`)) - value) <= 2, name)
  for (const [name, value] of Object.entries({ x1: 100, y1: 50, tx1: 200, ty1: 100 })) await near(name, value)
  await page.selectOption('[name="kind2"]', 'arrow')
  await page.fill('[name="words2"]', 'no wind')
  assert.equal(await page.locator('.marks-over > *').count(), 2)
  assert.equal(await page.isVisible('[name="words3"]'), true)
  assert.equal(await page.isVisible('[name="words4"]'), false)
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
  await page.click('button.primary')
  await page.waitForURL('**/images')
  await page.waitForFunction(() => document.querySelectorAll('#reference-list [data-token]').length === 2)
  assert.match(await page.inputValue('#prompt'), /red circle is: a boat\n- Where the blue arrow points: no wind/)
  assert.deepEqual(complaints, [])
})
