import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { hindrances } from '../testing/hindrances.ts'
import { alice, charlie } from '../testing/people.ts'
import { startProcess } from '../testing/process.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { mock } = app

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const skip = noChromium

/** Pastes a drawn picture, as a screenshot is pasted. */
async function pasteScreenshot(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const canvas = document.createElement('canvas')
    canvas.width = 320
    canvas.height = 200
    canvas.getContext('2d')!.fillRect(20, 20, 100, 60)
    const blob = await new Promise<Blob | null>(resolve => canvas.toBlob(resolve, 'image/png'))
    const clipboardData = new DataTransfer()
    clipboardData.items.add(new File([blob!], 'image.png', { type: 'image/png' }))
    const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
    document.getElementById('say')!.dispatchEvent(event)
  })
  await page.waitForSelector('.attachment [name="attachment"]', { state: 'attached' })
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill('#say', text)
  await page.press('#say', 'Enter')
}

const answers = (count: number) => `.answer.state-done >> nth=${count - 1}`

test('a conversation, from the first question to the edit of a picture, seen live in a second browser', {
  skip,
}, async () => {
  mock.control.set({ latencyMs: 300 })
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)

  // Ask, and see Markdown with code.
  await page.goto('/chat')
  await say(page, 'show #code')
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  await page.waitForSelector('.answer.state-done .code .hljs-keyword')
  await page.waitForSelector('.answer .copy-code')
  const code = page.locator('.answer .code').first()
  const saved = page.waitForEvent('download')
  await code.locator('.save-code').click()
  const file = await saved
  assert.match(file.suggestedFilename(), /^code\.[a-z]+$/)
  assert.equal(readFileSync((await file.path())!, 'utf8'), await code.locator('code').textContent())
  await code.locator('.wrap-code').click()
  assert.equal(await code.locator('.wrap-code').getAttribute('aria-pressed'), 'true')
  assert.equal(await code.locator('code').evaluate(each => getComputedStyle(each).whiteSpace), 'pre-wrap')
  const other = await openPage(browser, app.url, person)
  await other.page.goto(page.url())

  // Stop; what came is kept, in both.
  const fault = mock.control.fault({ match: { prompt: 'stop me' }, hold: 'mid_picture' })
  await say(page, 'stop me')
  await other.page.waitForFunction(() =>
    /You asked/.test(document.querySelector('.answer.writing .prose')?.textContent ?? ''),
  )
  await page.click('.stop')
  await other.page.waitForSelector('.answer.state-stopped')
  mock.control.release(fault)

  // Another answer beside it.
  await page.hover('.answer.state-stopped')
  await page.click('.answer.state-stopped form.again button')
  await other.page.waitForSelector(answers(2))
  assert.match((await other.page.textContent('.answer .branches')) ?? '', /2\/2/)

  // An edited message makes a branch; the one before stays reachable.
  await page.hover('.message.user')
  const chevron = other.page.locator('.branches a').first()
  const [link, icon] = [await chevron.boundingBox(), await chevron.locator('svg').boundingBox()]
  assert.ok(Math.abs(link!.x + link!.width / 2 - icon!.x - icon!.width / 2) <= 1, 'an arrow stands in its middle')
  assert.ok(Math.abs(link!.y + link!.height / 2 - icon!.y - icon!.height / 2) <= 1)

  // Given up, a message is as it was.
  for (const giveUp of [() => page.keyboard.press('Escape'), () => page.click('.edit[open] [type="reset"]')]) {
    await page.click('.message.user .edit summary')
    await page.fill('.edit[open] textarea', 'no')
    await giveUp()
    assert.equal(await page.locator('.edit[open]').count(), 0)
    assert.equal(await page.inputValue('.edit textarea >> nth=0'), 'show #code')
    assert.equal(await page.evaluate(() => document.activeElement?.localName), 'summary')
  }
  await page.click('.message.user .edit summary')
  await page.fill('.edit[open] textarea', 'a new beginning')
  await page.press('.edit[open] textarea', 'Enter')
  for (const shown of [page, other.page])
    await shown.waitForFunction(() => document.querySelectorAll('.message.user').length === 1)
  await page.waitForSelector(answers(1))
  await page.hover('.message.user')
  await page.click('.message.user .branches a')
  await page.waitForFunction(() => document.querySelectorAll('.message.user').length === 2)
  await page.goBack()
  await page.waitForFunction(() => document.querySelector('.said')?.textContent === 'a new beginning')

  // A pasted screenshot.
  await pasteScreenshot(page)
  await say(page, 'what can be seen here?')
  await other.page.waitForSelector('.message.user .attached-picture img')
  await page.waitForSelector(answers(2))

  // A picture, after a yes; then an edit of that picture.
  await say(page, 'draw a lighthouse')
  await page.waitForSelector('.card .price')
  await page.click('.card .primary')
  await other.page.waitForSelector('.tool.state-done .job img')
  await page.waitForSelector('.tool.state-done + .answer.state-done')
  await say(page, 'make it blue')
  await page.waitForSelector('.card .attached img')
  await page.click('.card .primary')
  await other.page.waitForSelector('.tool.state-done + .answer.state-done >> nth=1')
  // The edit carried that very picture.
  const source = await page.getAttribute('.tool.state-done .job a[href^="/files/"]', 'href')
  const bytes = await (await page.request.get(source!)).body()
  const [edit] = mock.control.calls({ path: '/v1/images/edits' })
  assert.deepEqual(edit!.digests, [createHash('sha256').update(bytes).digest('hex')])

  // Both show the same; a reload too.
  await page.waitForFunction(() => document.querySelectorAll('.answer.writing').length === 0)
  const words = async (shown: Page) => (await shown.innerText('#thread')).replace(/\s+/g, '')
  await other.page.waitForFunction(() => document.querySelectorAll('.answer.writing').length === 0)
  // Costs come a little later, to each page when it asks.
  const same = async () => (await words(other.page)) === (await words(page))
  const differ = async () => assert.equal(await words(other.page), await words(page))
  await until('both to show the same', same).catch(differ)
  await page.reload()
  await until('both to show the same after a reload', same).catch(differ)
  assert.deepEqual(await hindrances(page), [])
  const stranger = await openPage(browser, app.url, await charlie(app))
  assert.equal((await stranger.page.goto(page.url()))!.status(), 404)

  // A preview may be gone again by the time a slow page asks for it: the picture itself is there then.
  const serious = [...complaints, ...other.complaints].filter(each => !/\/preview\/\d+$/.test(each))
  assert.deepEqual(serious, [])
})

test('when the web process goes, the page asks another, and shows the answer to its end', { skip }, async () => {
  mock.control.set({ latencyMs: 0 })
  const person = await alice(app)
  const first = await startProcess(app, { PLAYGROUND_ROLE: 'web' })
  const { port } = new URL(first.url)
  const { page } = await openPage(browser, first.url, person)
  await page.goto('/chat')
  await say(page, 'hello')
  await page.waitForSelector(answers(1))
  const fault = mock.control.fault({ match: { prompt: 'outlive it' }, hold: 'mid_picture' })
  await say(page, 'outlive it')
  await page.waitForFunction(() =>
    /You asked/.test(document.querySelector('.answer.writing .prose')?.textContent ?? ''),
  )
  first.child.kill('SIGKILL')
  mock.control.release(fault)
  await startProcess(app, { PLAYGROUND_ROLE: 'web', PORT: port })
  await page.waitForSelector(answers(2))
  assert.match((await page.textContent(answers(2))) ?? '', /ask me to draw it/)
})

test('where no stream comes through, the page asks by itself', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.route('**/events?*', route => route.abort())
  await page.goto('/chat')
  await say(page, 'hello')
  await page.waitForSelector(answers(1))
  await say(page, 'and again')
  await page.waitForSelector(answers(2))
})

test('with a budget, whoever waits for the bill of the answer before is told why, and only as long', {
  skip,
}, async () => {
  const person = await alice(app)
  const told = async () => (await person.get('/chat')).html.querySelector('#chat-error')!.getAttribute('data-bill-wait')
  assert.equal(await told(), undefined)
  await person.post('/spend/budgets', { per_day: '20' })
  await person.post('/preferences', { language: 'zh-CN', back: '/chat' })
  assert.match((await told())!, /^设有预算时，要等上一个回答出账后才会发送/)
  await person.post('/preferences', { language: 'en', back: '/chat' })

  const { page } = await openPage(browser, app.url, person)
  const arrived = Promise.withResolvers<void>()
  await page.route('**/messages', async route => {
    await arrived.promise
    await route.continue()
  })
  await page.goto('/chat')
  await say(page, 'hello')
  await page.waitForSelector(answers(1))
  assert.equal(await page.locator('.billing').count(), 0)
  await say(page, 'and again')
  const sentence = await page.textContent('#chat-error .billing')
  assert.match(sentence!, /^With a budget, a question is sent once the answer before it is billed/)
  arrived.resolve()
  await page.waitForSelector(answers(2))
  assert.equal(await page.locator('.billing').count(), 0)
})

test('Enter sends nothing where there is nothing, nor in the middle of a composed word; Shift+Enter makes a line', {
  skip,
}, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/chat')
  await page.press('#say', 'Enter')
  await page.waitForSelector('#chat-error .field-error')
  await until('the box has the focus', async () => (await page.locator('#say:focus').count()) === 1)
  await page.keyboard.type('n')
  assert.equal(await page.locator('#chat-error .field-error').count(), 0, 'it is being mended')
  await page.fill('#say', 'nihao')
  await page.evaluate(() => {
    const enter = { key: 'Enter', bubbles: true, cancelable: true, isComposing: true }
    document.getElementById('say')!.dispatchEvent(new KeyboardEvent('keydown', enter))
  })
  await page.press('#say', 'Shift+Enter')
  assert.equal(await page.inputValue('#say'), 'nihao\n')
  assert.match(page.url(), /\/chat$/)
})

test('without JavaScript a question is asked by a plain form, and the page refreshes itself until the answer is there', {
  skip,
}, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person, { javaScriptEnabled: false })
  const fault = mock.control.fault({ match: { prompt: 'plainly' }, hold: 'mid_picture' })
  await page.goto('/chat')
  await page.fill('#say', 'plainly')
  await page.click('.send')
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  assert.equal(await page.locator('noscript meta[http-equiv="refresh"]').count(), 1)
  mock.control.release(fault)
  await page.waitForSelector(answers(1))
  assert.equal(await page.locator('noscript meta[http-equiv="refresh"]').count(), 0)
})

for (const [name, options] of [
  ['on a wide screen', {}],
  ['in the dark', { colorScheme: 'dark' }],
  [
    'on a phone, in Chinese',
    { locale: 'zh-CN', viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  ],
] as const) {
  test(`nothing keeps people out: ${name}`, { skip }, async () => {
    const person = await alice(app)
    const { page } = await openPage(browser, app.url, person, options)
    await page.goto('/chat')
    assert.deepEqual(await hindrances(page), [], 'nothing said yet')
    const wide = Array.from({ length: 14 }, (_, index) => `column ${index}`).join(' | ')
    const answer = `${'word'.repeat(60)} https://example.com/${'path/'.repeat(40)}\n\n| ${wide} |\n|${'---|'.repeat(14)}\n\n\`\`\`ts\nconst a = 1\n\`\`\`\n\n- [x] done`
    mock.control.fault({ match: { prompt: 'everything at once' }, answer })
    await page.fill('#say', `everything at once ${'x'.repeat(300)}`)
    await page.click('.send')
    await page.waitForSelector(answers(1))
    await page.fill('#say', 'draw a lighthouse')
    await page.click('.send')
    await page.waitForSelector('.card .price')
    assert.deepEqual(await hindrances(page), [], 'a conversation')
    await page.click('[popovertarget="chat-menu"]')
    assert.deepEqual(await hindrances(page), [], 'its menu')
  })
}

test('whoever has scrolled up stays there, and finds the way down; else the page goes along', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person, { viewport: { width: 1280, height: 500 } })
  await page.goto('/chat')
  await say(page, '#long first')
  await page.waitForSelector(answers(1))
  const fromEnd = () => page.evaluate(() => document.documentElement.scrollHeight - innerHeight - scrollY)
  await page.waitForFunction(() => document.documentElement.scrollHeight - innerHeight - scrollY < 90)
  const fault = mock.control.fault({ match: { prompt: 'and on' }, hold: 'mid_picture' })
  await say(page, '#long and on')
  await page.waitForFunction(() => (document.querySelector('.answer.writing .prose')?.children.length ?? 0) > 8)
  assert.ok((await fromEnd()) < 90, 'it went along')
  await page.evaluate(() => {
    scrollTo(0, 100)
    // Something moves the page before the browser has told it of the scroll.
    dispatchEvent(new Event('resize'))
  })
  await page.waitForSelector('#to-end:not([hidden])')
  mock.control.release(fault)
  await page.waitForSelector(answers(2))
  assert.equal(await page.evaluate(() => scrollY), 100)
  await page.click('#to-end')
  await page.waitForFunction(() => document.documentElement.scrollHeight - innerHeight - scrollY < 90)
})

test('on a phone nothing is wider than the screen, and the composer is in sight', { skip }, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person, {
    viewport: { width: 390, height: 400 },
    isMobile: true,
    hasTouch: true,
  })
  await page.goto('/chat')
  await page.fill('#say', 'show #table and #code')
  await page.click('.send')
  await page.waitForSelector(answers(1))
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  assert.equal(wide, 0)
  const box = await page.locator('.chat-box').boundingBox()
  assert.ok(box && box.y >= 0 && box.y + box.height <= 400, JSON.stringify(box))
  assert.deepEqual(complaints, [])
})

test('until the first words come, it is to be seen that the answer is being written', { skip }, async () => {
  const { page, complaints } = await openPage(browser, app.url, await alice(app))
  const held = mock.control.fault({ match: { prompt: 'take your time' }, hold: 'before_headers' })
  await page.goto('/chat')
  await say(page, 'take your time')
  await page.waitForSelector('.answer.writing .forming', { state: 'attached' })
  const box = await page.locator('.answer.writing .progressing').boundingBox()
  assert.ok(box && box.width > 20 && box.height > 10)
  mock.control.release(held)
  await page.waitForSelector(answers(1))
  assert.deepEqual(complaints, [])
})

test('words that are still coming have the emphasis that they end with', { skip }, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  const answer = '**重点：**后面的字，这是**“引号”**里的字。2 ** 3 ** 4, **光线。**先\u2028写*光线。*后'
  const fault = mock.control.fault({ match: { prompt: 'emphasis' }, hold: 'before_completed', answer })
  await page.goto('/chat')
  await say(page, 'emphasis')
  const shown = await page.waitForFunction(() => {
    const forming = document.querySelector('.answer.writing .forming')
    return (
      forming?.textContent?.endsWith('后') && [...forming.querySelectorAll('strong, em')].map(each => each.outerHTML)
    )
  })
  const coming = ((await shown.jsonValue()) as string[]).map(html => html.replace(' class=""', ''))
  mock.control.release(fault)
  await page.waitForSelector(answers(1))
  const ended = await page.$$eval('.answer .prose :is(strong, em)', all => all.map(each => each.outerHTML))
  assert.deepEqual(coming, ended)
  assert.equal(ended.length, 4)
  assert.deepEqual(complaints, [])
  await page.context().close()
})
