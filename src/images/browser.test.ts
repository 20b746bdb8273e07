import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import sharp from 'sharp'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { alice, type Person } from '../testing/people.ts'
import { makePictures } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const { mock } = app

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const skip = noChromium

async function signIn(page: Page, email: string): Promise<void> {
  await page.goto('/account')
  await page.fill('[name="email"]', email)
  await page.fill('[name="password"]', `password of ${email}`)
  await page.press('[name="password"]', 'Enter')
  await page.waitForURL('**/account')
  await page.click('form[action="/account/key"] button >> nth=0')
  await page.goto('/images')
}

async function create(page: Page, prompt: string, n = '1'): Promise<void> {
  await page.fill('#prompt', prompt)
  await page.selectOption('#composer [name="n"]', n)
  await page.click('.pay .primary')
}

/** The tile of the newest request with this prompt. */
const tile = (prompt: string) => `.job:has(.caption:has-text("${prompt}")) >> nth=0`
const guest = { cookie: () => 'nobody' } as unknown as Person

test('from sign-in to sign-out: pictures made at once, cancelled, tried again, opened, downloaded', {
  skip,
}, async () => {
  mock.control.set({ latencyMs: 200 })
  const { page, context, complaints } = await openPage(browser, app.url, guest)
  page.setDefaultTimeout(30_000)
  await signIn(page, 'browser@example.com')

  // One picture and four at once, held after their first previews.
  const fault = mock.control.fault({ match: { prompt: 'harbour' }, times: 2, hold: 'after_partial' })
  await create(page, 'a harbour')
  await page.waitForSelector(tile('a harbour'))
  await create(page, 'four of the harbour', '4')
  await page.waitForSelector(`${tile('a harbour')} >> img.preview`)
  await page.waitForSelector(`${tile('four of the harbour')} >> img.preview`)
  await page.reload()
  const second = await context.newPage()
  await second.goto('/images')
  mock.control.release(fault)
  for (const each of [page, second]) {
    await each.waitForSelector(`.state-done${tile('a harbour')}`)
    await each.waitForSelector(`.state-done:has-text("four of the harbour") .picture >> nth=3`)
  }

  // The newest is large, and others of its day stand beside it.
  const box = async (selector: string) => (await page.locator(selector).boundingBox())!
  const [newest, other] = [await box(tile('four of the harbour')), await box(tile('a harbour'))]
  assert.ok(other.x >= newest.x + newest.width && other.y < newest.y + newest.height)
  assert.ok(newest.width > 1.5 * other.width)
  await page.setViewportSize({ width: 390, height: 800 })
  const [ways, search] = [await box('.history .segments'), await box('.history .search-field')]
  assert.ok(search.x >= ways.x + ways.width && search.y < ways.y + ways.height, 'one row on a phone')
  await page.setViewportSize({ width: 1280, height: 860 })

  // One is cancelled before the gateway has begun to answer, and then tried again.
  const held = mock.control.fault({ match: { prompt: 'regret' }, hold: 'before_headers' })
  await create(page, 'regret')
  await page.waitForSelector(`.state-running${tile('regret')}`)
  page.on('dialog', dialog => void dialog.accept())
  await page.click(`${tile('regret')} >> form[action$="/cancel"] button`)
  const ended = '.job:is(.state-cancelled,.state-unknown):has-text("regret")'
  await page.waitForSelector(ended)
  mock.control.release(held)
  mock.control.clearFaults()
  await page.click(`${ended} form[action$="/retry"] button`)
  await page.waitForSelector('.state-done:has-text("regret") .picture img')

  // The library has all six, and the file is a picture.
  await page.goto('/library')
  assert.equal(await page.locator('.tiles .picture').count(), 6)
  await page.click('.picture a.media')
  await page.waitForSelector('#lightbox[open]')
  await page.click('#lightbox [data-act="open"]')
  await page.waitForURL(/\/library\/./)
  const file = await context.request.get((await page.getAttribute('a.original', 'href'))!)
  assert.match(file.headers()['content-type']!, /^image\/png/)

  await page.goto('/account')
  await page.click('form[action="/logout"] button')
  await page.waitForURL('**/login*')
  assert.deepEqual(complaints, [])
})

test('with two keys and none chosen the first picture takes five actions from the door', { skip }, async () => {
  mock.control.set({ latencyMs: 0 })
  const { page, complaints } = await openPage(browser, app.url, guest)
  await page.goto('/login')
  let actions = 0
  const act = async (action: Promise<unknown>) => {
    actions++
    await action
  }
  await act(page.fill('[name="email"]', 'firstrun@example.com'))
  await act(page.fill('[name="password"]', 'password'))
  await act(page.keyboard.press('Enter'))
  await page.waitForSelector('#composer [name="key_id"] option >> nth=1', { state: 'attached' })
  await act(page.fill('#prompt', 'the first of all'))
  await act(page.click('.pay .primary'))
  await page.waitForSelector(`.state-done${tile('the first of all')}`)
  assert.ok(actions <= 5, `${actions} actions`)
  assert.equal(mock.control.calls({ prompt: 'the first of all' }).length, 1)
  assert.deepEqual(complaints, [])
})

test('without JavaScript the same by plain forms, and a page that waits asks again by itself', { skip }, async () => {
  mock.control.set({ latencyMs: 0 })
  const { page, complaints } = await openPage(browser, app.url, guest, { javaScriptEnabled: false })
  await signIn(page, 'plain@example.com')
  const fault = mock.control.fault({ match: { prompt: 'plain sea' }, hold: 'after_partial' })
  await create(page, 'a plain sea', '4')
  await page.waitForURL(/\/images\/[0-9a-f-]{36}$/)
  assert.equal(await page.locator('meta[http-equiv="refresh"]').count(), 1)
  mock.control.release(fault)
  await page.waitForSelector('.state-done .picture >> nth=3')
  assert.equal(await page.locator('meta[http-equiv="refresh"]').count(), 0)

  const held = mock.control.fault({ match: { prompt: 'plain regret' }, hold: 'before_headers' })
  await page.goto('/images')
  await create(page, 'plain regret')
  await page.waitForSelector('.state-running')
  await page.click('form[action$="/cancel"] button')
  await page.waitForSelector('.job-page:is(.state-cancelled,.state-unknown)')
  mock.control.release(held)
  mock.control.clearFaults()
  await page.click('form[action$="/retry"] button')
  await page.waitForSelector('.state-done .picture')

  await page.goto('/library')
  assert.equal(await page.locator('.tiles .picture').count(), 5)
  await page.goto('/account')
  await page.click('form[action="/logout"] button')
  await page.waitForURL('**/login*')
  assert.deepEqual(complaints, [])
})

test('nothing moves while a page comes, however slowly: neither Create, nor Chat, nor the library', {
  skip,
}, async () => {
  const person = await alice(app)
  const shapes = ['1024x1024', '1536x1024', '1024x1536', '1536x864']
  await Promise.all(shapes.map(size => makePictures(app, person, { prompt: `in the shape ${size}`, size })))
  const { page, context } = await openPage(browser, app.url, person)
  await page.addInitScript(() => {
    const seen: string[] = []
    Object.assign(window, { seen })
    new PerformanceObserver(list => {
      type Shift = PerformanceEntry & { sources: { node: Element | null }[] }
      for (const { sources } of list.getEntries() as Shift[])
        seen.push(sources.map(({ node }) => node?.id || node?.className || node?.nodeName).join(', '))
    }).observe({ type: 'layout-shift', buffered: true })
  })
  const tools = await context.newCDPSession(page)
  await tools.send('Emulation.setCPUThrottlingRate', { rate: 6 })
  for (const path of ['/images', '/chat', '/library']) {
    await page.goto(path)
    await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve))))
    assert.deepEqual(await page.evaluate(() => (window as unknown as { seen: string[] }).seen), [], path)
  }
})

test('a press without a network is kept and said, sent by itself once, asks again when it is old, and is nobody else’s', {
  skip,
}, async () => {
  const person = await alice(app)
  const { page, context } = await openPage(browser, app.url, person)
  const jobs = async () => {
    const { html } = await person.get('/images')
    return html.querySelectorAll('.job .caption-prompt').map(each => each.text)
  }
  await page.goto('/images')
  await page.waitForFunction(() => performance.getEntries().some(({ name }) => name.endsWith('/unsent.js')))
  await context.setOffline(true)
  await create(page, 'sent later')
  await page.waitForSelector('#unsent li:has-text("sent later")')
  await page.click('.pay .primary')
  assert.equal(await page.locator('#unsent li').count(), 1, 'the same press')
  assert.equal(await page.inputValue('#prompt'), 'sent later')
  await context.setOffline(false)
  await page.waitForSelector('#unsent', { state: 'hidden' })
  await page.waitForSelector(tile('sent later'))
  assert.deepEqual(await jobs(), ['sent later'])

  // It was taken, and the answer got lost.
  await page.route('**/images', async route => {
    if (route.request().method() !== 'POST') return route.continue()
    await route.fetch()
    await route.abort('connectionreset')
  })
  await create(page, 'answer lost')
  await page.waitForSelector('#unsent li:has-text("answer lost")')
  await page.unroute('**/images')
  await page.evaluate(() => dispatchEvent(new Event('online')))
  await page.waitForSelector('#unsent', { state: 'hidden' })
  assert.deepEqual((await jobs()).toSorted(), ['answer lost', 'sent later'])

  // Six minutes later, and beside what somebody else left here.
  await context.setOffline(true)
  await create(page, 'old by now')
  await page.waitForSelector('#unsent li')
  await page.evaluate(() => {
    const name = Object.keys(localStorage).find(each => each.startsWith('unsent '))!
    localStorage.setItem(name, localStorage.getItem(name)!.replace(/"at":\d+/, `"at":${Date.now() - 360_000}`))
    localStorage.setItem('unsent 999999', '[]')
  })
  await context.setOffline(false)
  await page.goto('/images')
  await page.waitForSelector('#unsent .unsent-state:has-text("five minutes")')
  assert.equal((await jobs()).length, 2)
  assert.equal(await page.evaluate(() => localStorage.getItem('unsent 999999')), null)
  await page.click('[data-unsent="send"]')
  await page.waitForSelector('#unsent', { state: 'hidden' })
  assert.equal((await jobs()).length, 3)

  await context.setOffline(true)
  await create(page, 'never sent')
  await page.waitForSelector('#unsent li')
  await context.setOffline(false)
  await page.route('**/images/quote*', route => route.abort())
  await page.goto('/account')
  await page.click('form[action="/logout"] button')
  await page.waitForURL(url => url.pathname !== '/account')
  assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).filter(each => each.startsWith('unsent '))), [])
})

test('by keys: a prompt that is missing is asked for, earlier ones come back into the form, and what was typed with them; a size is turned; a key is changed', {
  skip,
}, async () => {
  const person = await alice(app)
  for (const prompt of ['a red boat', 'two foxes\nin the snow', 'a blue boat']) await person.post('/images', { prompt })
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', '')
  await page.click('.pay .primary')
  await page.waitForSelector('#prompt:focus[aria-invalid="true"]')
  assert.match(complaints.splice(0).join(), /422/)
  await page.keyboard.type('boa')
  assert.equal(await page.locator('#prompt-error, #prompt[aria-invalid]').count(), 0, 'it is being mended')
  const prompt = () => page.inputValue('#prompt')
  const press = async (key: string, expected: string) => {
    await page.press('#prompt', key)
    await until(expected, async () => (await prompt()) === expected)
  }
  await page.fill('#prompt', 'boat')
  await press('Alt+ArrowUp', 'a blue boat')
  await press('Alt+ArrowUp', 'a red boat')
  await press('Alt+ArrowUp', 'a red boat')
  await press('Alt+ArrowDown', 'a blue boat')
  await press('Alt+ArrowDown', 'boat')
  await page.fill('#prompt', '')
  await press('Alt+ArrowUp', 'a blue boat')
  await press('Alt+ArrowUp', 'two foxes\nin the snow')
  await page.press('#prompt', 'End')
  await page.keyboard.type('!')
  const edited = await prompt()
  await press('Alt+ArrowUp', 'a blue boat')
  await press('Alt+ArrowDown', edited)

  assert.equal(await page.isVisible('[data-turn-size]'), false, 'a square')
  await page.selectOption('#composer [name="size"]', '1536x1024')
  await page.click('[data-turn-size]')
  assert.equal(await page.inputValue('#composer [name="size"]'), '1024x1536')
  await page.selectOption('#composer [name="size"]', 'custom')
  await page.fill('#composer [name="width"]', '1280')
  await page.fill('#composer [name="height"]', '720')
  await page.click('[data-turn-size]')
  assert.equal(await page.inputValue('#composer [name="width"]'), '720')

  await page.selectOption('#composer [name="key_id"]', { label: 'Weekend OpenAI' })
  await page.waitForSelector('#key:has-text("Weekend")')
  assert.equal(await prompt(), edited)
  assert.deepEqual(complaints, [])
})

test('a tile whose end fell between two answers to other questions shows it all the same', { skip }, async () => {
  mock.control.set({ latencyMs: 0 })
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  const fails = mock.control.fault({ match: { prompt: 'fails unseen' }, hold: 'before_headers', reply: 'moderation' })
  const stays = mock.control.fault({ match: { prompt: 'stays' }, hold: 'before_headers', times: 2 })
  await create(page, 'fails unseen')
  await page.waitForSelector(tile('fails unseen'))
  await mock.control.waitForCalls(1, { prompt: 'fails unseen', state: 'held' })

  // What the first comes to is known before the second is answered, and the question for it goes astray.
  await page.route('**/images/tiles*', route => route.fulfill({ status: 204 }))
  mock.control.release(fails)
  await until('the first to fail', async () => (await person.get('/images')).html.querySelector('.job.state-failed'))
  await create(page, 'stays')
  await page.waitForSelector(tile('stays'))
  assert.equal(await page.locator('.job.state-failed').count(), 0)
  await page.unroute('**/images/tiles*')
  await page.waitForSelector(`.state-failed${tile('fails unseen')}`)

  // The same where nothing is unfinished after the answer.
  const again = mock.control.fault({ match: { prompt: 'once more' }, hold: 'before_headers', reply: 'moderation' })
  await create(page, 'fails once more')
  await page.waitForSelector(tile('fails once more'))
  await mock.control.waitForCalls(1, { prompt: 'fails once more', state: 'held' })
  await page.route('**/images/tiles*', route => route.fulfill({ status: 204 }))
  mock.control.release(again)
  await until('it to fail', async () => (await person.get('/images')).html.querySelectorAll('.job.state-failed')[1])
  mock.control.release(stays)
  await until('the other to end', async () => {
    const { html } = await person.get('/images')
    return (
      html.querySelectorAll('.job.state-done').length === 1 && !html.querySelector('#pulse')?.getAttribute('hx-get')
    )
  })
  await page.click(`${tile('stays')} >> form[action$="/cancel"] button`)
  await page.waitForSelector(`.state-done${tile('stays')}`)
  await page.unroute('**/images/tiles*')
  await page.waitForSelector(`.state-failed${tile('fails once more')}`)
  assert.deepEqual(complaints, [])
})

test('what a picture cost is told, though it came to be known just before the answer to another question', {
  skip,
}, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  const bill = mock.control.fault({ match: { path: '/api/v1/usage', email: person.email }, hold: 'before_headers' })
  await create(page, 'costs something')
  await page.waitForSelector(`.state-done${tile('costs something')} >> text=≈`)
  const single = await openPage(browser, app.url, person)
  await single.page.goto((await page.getAttribute('.job .caption', 'href'))!)

  await page.route('**/images/tiles*', route => route.fulfill({ status: 204 }))
  mock.control.release(bill)
  await until('the cost', async () => !(await person.get('/images')).html.querySelector('.job')!.text.includes('≈'))
  const other = mock.control.fault({ match: { prompt: 'stays open' }, hold: 'before_headers' })
  await create(page, 'stays open')
  await page.waitForSelector(tile('stays open'))
  assert.match((await page.textContent(tile('costs something')))!, /≈/)
  await page.unroute('**/images/tiles*')
  for (const [shown, facts] of [
    [page, `${tile('costs something')} >> .caption-facts`],
    [single.page, '.facts dl'],
  ] as const) {
    await shown.waitForSelector(`${facts} >> text=$`)
    await shown.waitForSelector(`${facts} >> text=≈`, { state: 'detached' })
  }
  mock.control.release(other)
  assert.deepEqual([...complaints, ...single.complaints], [])
})

/** Whatever still moves after the next navigations keeps moving: nothing that is pressed meanwhile may be lost. */
async function linger(page: Page): Promise<void> {
  await page.addInitScript(() => {
    addEventListener('pagereveal', event => {
      const { viewTransition } = event as Event & { viewTransition: { ready: Promise<void> } | null }
      void viewTransition?.ready.then(() => {
        for (const animation of document.getAnimations()) animation.playbackRate = 0.001
      })
    })
  })
}

test('an edit: a file is chosen, a mask painted over it, and only the painted part is kept', { skip }, async () => {
  mock.control.set({ latencyMs: 0 })
  const { page, complaints } = await openPage(browser, app.url, await alice(app))
  await page.goto('/images')
  const buffer = await sharp({ create: { width: 1536, height: 1024, channels: 3, background: '#6a8fb5' } })
    .png()
    .toBuffer()
  await page.setInputFiles('#references [type="file"]', { name: 'door.png', mimeType: 'image/png', buffer })
  await page.waitForSelector('.reference[data-token]')
  await page.reload()
  await page.waitForSelector('.reference[data-token]')
  await page.fill('#prompt', 'paint the door red')

  await linger(page)
  await page.click('[data-mask-editor]')
  await page.waitForSelector('.mask-editor.ready')
  const { x, y, width, height } = (await page.locator('.mask-sheet canvas').boundingBox())!
  const drag = async () => {
    await page.mouse.move(x + width * 0.3, y + height * 0.3)
    await page.mouse.down()
    await page.mouse.move(x + width * 0.5, y + height * 0.5, { steps: 4 })
    await page.mouse.up()
  }
  await page.keyboard.press(']')
  await drag()
  await page.keyboard.press('e')
  await drag()
  await page.keyboard.press('Control+z')
  await page.click('[data-act="save"]')
  await page.waitForSelector('.mask-thumb')
  assert.equal(await page.inputValue('#prompt'), 'paint the door red')
  assert.match(await page.innerText('#size-why'), /follows the picture/)
  await page.selectOption('#composer [name="size"]', '1024x1024')
  assert.equal(await page.locator('#size-why').count(), 0, 'it does no more')
  await page.selectOption('#composer [name="size"]', '1536x1024')

  await page.click('.pay .primary')
  await page.waitForSelector('.state-done .picture')
  const [call] = mock.control.calls({ path: '/v1/images/edits' })
  assert.deepEqual([call!.inputs, call!.hasMask], [1, true])
  await page.click('.state-done .caption')
  await page.waitForSelector('.made-from img')
  await page.waitForFunction(
    () => {
      if (document.querySelector('.changed-outside')) return true
      location.reload()
      return false
    },
    null,
    { polling: 1000 },
  )
  await page.click('.changed-outside button')
  await page.waitForURL(/\/library\/./)
  await page.click('.lineage a[href*="/compare"]')
  await page.waitForSelector('.compare.slider')
  assert.deepEqual(complaints, [])
})

test('references are pasted, dropped, put in order and taken away, in the page', { skip }, async () => {
  const { page, complaints } = await openPage(browser, app.url, await alice(app))
  await page.goto('/images')
  const shown = () =>
    page.$$eval('.reference[data-token]', all => all.map(each => (each as HTMLElement).dataset.token ?? ''))
  const give = (how: 'paste' | 'drop', color: string) =>
    page.evaluate(
      async ([how, color]) => {
        const canvas = document.createElement('canvas')
        const pen = canvas.getContext('2d')!
        pen.fillStyle = color
        pen.fillRect(0, 0, canvas.width, canvas.height)
        const blob = await new Promise<Blob | null>(resolve => canvas.toBlob(resolve, 'image/png'))
        const data = new DataTransfer()
        data.items.add(new File([blob!], 'given.png', { type: 'image/png' }))
        const common = { bubbles: true, cancelable: true }
        const events =
          how === 'paste'
            ? [new ClipboardEvent('paste', { clipboardData: data, ...common })]
            : ['dragenter', 'dragover', 'drop'].map(type => new DragEvent(type, { dataTransfer: data, ...common }))
        for (const event of events) document.body.dispatchEvent(event)
      },
      [how, color] as const,
    )
  await give('paste', '#c03a2b')
  await page.waitForSelector('.reference[data-token]')
  await give('drop', '#2b5cc0')
  await page.waitForSelector('.reference[data-token] >> nth=1')
  const [first, second] = await shown()

  await page.click(`.reference button[name="earlier"][value="${second}"]`)
  await page.waitForSelector(`.reference[data-token="${second}"] ~ .reference[data-token="${first}"]`)
  await page.click(`.reference button[name="remove"][value="${second}"]`)
  await page.waitForSelector(`.reference[data-token="${second}"]`, { state: 'detached' })
  await page.reload()
  assert.deepEqual(await shown(), [first])
  assert.deepEqual(complaints, [])
})

test('of more tiles than one question may name, those in sight are asked about, and the others by turns', {
  skip,
}, async () => {
  const person = await alice(app)
  const kept = await person.post('/images', { prompt: 'the first of many' })
  const id = kept.location.split('/').at(-1)!
  await app.db.run(
    `insert into image_jobs (id, user_id, submission, state, model, prompt, size, quality, n, format, background,
       moderation, key_id, caller_address, caller_user_agent, not_before, created_at)
     select gen_random_uuid(), user_id, gen_random_uuid(), 'queued', model, 'waiting ' || i, size, quality, n, format,
       background, moderation, key_id, caller_address, caller_user_agent, now() + interval '1 day',
       created_at + make_interval(secs => i)
     from image_jobs, generate_series(1, 90) i where id = $1`,
    [id],
  )
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  for (const shown of [48, 72, 91]) {
    await page.click('#older a')
    await page.waitForFunction(count => document.querySelectorAll('.job').length === count, shown)
  }
  await page.evaluate(() => scrollTo(0, 0))
  const end = (prompt: string) =>
    app.db.run(
      `update image_jobs set state = 'cancelled', finished_at = now(), charged = 'no', version = version + 1
       where prompt = $1`,
      [prompt],
    )
  for (const prompt of ['waiting 90', 'waiting 7']) {
    await end(prompt)
    await page.waitForSelector(`.state-cancelled${tile(prompt)}`, { state: 'attached' })
  }
  assert.deepEqual(complaints, [])
})
