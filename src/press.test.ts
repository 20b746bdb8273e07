import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser, Page, Route } from 'playwright-core'
import sharp from 'sharp'
import type { Page as Shown } from './testing/browser.ts'
import { noChromium, openPage, startChromium } from './testing/chromium.ts'
import { answerCalls } from './testing/conversations.ts'
import { alice, type Person } from './testing/people.ts'
import { makePicture } from './testing/pictures.ts'
import { testApp, until } from './testing/server.ts'
import { translator } from './web/i18n.ts'

const app = await testApp()
const { mock } = app
const skip = noChromium
const t = translator('en')

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const picture = async (color: string) => ({
  name: `${color.slice(1)}.png`,
  mimeType: 'image/png',
  buffer: await sharp({ create: { width: 64, height: 64, channels: 3, background: color } })
    .png()
    .toBuffer(),
})
const heic = async () => ({
  name: 'photo.heic',
  mimeType: 'image/heic',
  buffer: await readFile(path.join(import.meta.dirname, 'testing/photo.heic')),
})

/** Keeps uploads on their way, as a slow line does, until each is let through. */
async function slowUploads(page: Page, address: string) {
  const waiting: Route[] = []
  await page.route(`**${address}`, route => {
    if (route.request().method() === 'POST') waiting.push(route)
    else void route.continue()
  })
  return {
    async count() {
      try {
        return await until('an upload to be on its way', async () => waiting.length)
      } catch (error) {
        const list = await page.innerHTML('#reference-list').catch(String)
        throw new Error(`none at ${page.url()}, where the list is: ${list}`, { cause: error })
      }
    },
    async arrive() {
      for (const route of waiting.splice(0)) await route.continue()
    },
    async breakOff() {
      for (const route of waiting.splice(0)) await route.abort()
    },
  }
}

const room = {
  create: {
    path: '/images',
    uploads: '/images/references',
    text: '#prompt',
    file: '#references [type="file"]',
    press: (page: Page) => page.click('.pay .primary'),
    stop: '.reference.uploading button',
    calls: ({ email }: Person) => mock.control.calls({ email }).filter(call => call.path.includes('/images/')),
    done: '.job.state-done',
  },
  chat: {
    path: '/chat',
    uploads: '/chat/files',
    text: '#say',
    file: '#file',
    press: (page: Page) => page.press('#say', 'Enter'),
    stop: '.attachment.uploading button',
    calls: ({ email }: Person) => answerCalls(mock, { email }),
    done: '.answer.state-done',
  },
}

/** Without the names that pictures have in a conversation. */
const promptOf = (call: { prompt: string }) => call.prompt.replace(/\n\[P\d\]/g, '')

for (const [name, at] of Object.entries(room)) {
  async function enter() {
    const person = await alice(app)
    const { page, complaints } = await openPage(browser, app.url, person)
    await page.goto(at.path)
    return { person, page, complaints, uploads: await slowUploads(page, at.uploads) }
  }
  /** A later press that is paid shows that an earlier one was not: whatever waited would have come first. */
  async function onlyThis(page: Page, person: Person, text: string): Promise<void> {
    await page.fill(at.text, text)
    await at.press(page)
    await page.waitForSelector(at.done)
    assert.deepEqual(at.calls(person).map(promptOf), [text])
  }

  test(`${name}: what was pressed is sent when its file has come, whatever was typed since`, { skip }, async () => {
    const { person, page, complaints, uploads } = await enter()
    await page.setInputFiles(at.file, await picture('#336699'))
    await page.fill(at.text, 'as it was pressed')
    await uploads.count()
    await at.press(page)
    await page.waitForSelector('#held:not([hidden]) [data-call-off]')
    assert.match((await page.textContent('#held')) ?? '', /Waiting for your files/)
    await page.fill(at.text, 'as it was pressed, and changed since')
    await at.press(page)
    await page.waitForSelector('#held:has-text("Still waiting") [data-call-off]')
    assert.deepEqual(at.calls(person), [])
    await uploads.arrive()
    await page.waitForSelector(at.done)
    const [call, ...more] = at.calls(person)
    assert.deepEqual([promptOf(call!), more.length], ['as it was pressed', 0])
    if (name === 'create') assert.equal(call!.inputs, 1)
    else assert.match(JSON.stringify(call!.fields.input), /input_image/)
    assert.equal(await page.isVisible('#held'), false)
    // A page that gives way while another comes is allowed to say so.
    assert.deepEqual(
      complaints.filter(each => !each.includes('ViewTransition')),
      [],
    )
  })

  test(`${name}: a refused file sends nothing, however often one presses, until it is taken out`, {
    skip,
  }, async () => {
    const { person, page, uploads } = await enter()
    await page.setInputFiles(at.file, [await picture('#993366'), await heic()])
    await page.fill(at.text, 'from this photograph')
    await until('both to be on their way', async () => (await uploads.count()) === 2)
    await at.press(page)
    await page.waitForSelector('#held [data-call-off]:visible')
    await uploads.arrive()
    await page.waitForSelector('.refused-file:has-text("photo.heic") [role="alert"]')
    await page.waitForSelector('#held:has-text("could not be used")')
    assert.equal(await page.inputValue(at.text), 'from this photograph')
    await page.fill(at.text, 'from that photograph')
    await page.waitForSelector('#held:has-text("could not be used")')
    await at.press(page)
    await page.reload()
    await page.waitForSelector('.refused-file:has-text("photo.heic")')
    await at.press(page)
    await page.waitForSelector('#held:has-text("could not be used")')
    assert.deepEqual(at.calls(person), [])
    await page.click('.refused-file [data-remove]')
    await page.waitForSelector('.refused-file', { state: 'detached' })
    assert.equal(await page.isVisible('#held'), false)
    await onlyThis(page, person, 'another one')
  })

  test(`${name}: another file is chosen in the place of a refused one`, { skip }, async () => {
    const { person, page, uploads } = await enter()
    await page.setInputFiles(at.file, await heic())
    await uploads.count()
    await uploads.arrive()
    await page.setInputFiles('.refused-file [type="file"]', await picture('#119933'))
    await page.waitForSelector('.refused-file', { state: 'detached' })
    await uploads.count()
    await uploads.arrive()
    await page.waitForSelector('.reference[data-token],.attachment:not(.uploading)')
    await onlyThis(page, person, 'with the other one')
  })

  test(`${name}: × on a file that is on its way stops it and the press that waits for it`, { skip }, async () => {
    const { person, page, uploads } = await enter()
    await page.setInputFiles(at.file, await picture('#669933'))
    await page.fill(at.text, 'with the picture')
    await uploads.count()
    await at.press(page)
    await page.waitForSelector('#held [data-call-off]:visible')
    await page.click(at.stop)
    await page.waitForSelector('#held:has-text("Nothing was sent")')
    assert.equal(await page.locator(at.stop).count(), 0)
    assert.equal(await page.inputValue(at.text), 'with the picture')
    await uploads.breakOff()
    await onlyThis(page, person, 'without it')
  })

  test(`${name}: a press that waits can be called off; the file comes all the same`, { skip }, async () => {
    const { person, page, uploads } = await enter()
    await page.setInputFiles(at.file, await picture('#996633'))
    await page.fill(at.text, 'not after all')
    await uploads.count()
    await at.press(page)
    await page.click('#held [data-call-off]')
    assert.equal(await page.isVisible('#held'), false)
    await uploads.arrive()
    await page.waitForSelector('.reference[data-token],.attachment:not(.uploading)')
    await onlyThis(page, person, 'now it is meant')
  })

  test(`${name}: a broken upload sends nothing`, { skip }, async () => {
    const { person, page, uploads } = await enter()
    await page.setInputFiles(at.file, await picture('#339966'))
    await page.fill(at.text, 'over a bad line')
    await uploads.count()
    await at.press(page)
    await uploads.breakOff()
    await page.waitForSelector('.refused-file:has-text("339966.png")')
    await at.press(page)
    await page.waitForSelector('#held:has-text("could not be used")')
    await page.click('.refused-file [data-remove]')
    await onlyThis(page, person, 'over a good line')
  })

  test(`${name}: cells of a spreadsheet are pasted as text, a screenshot as a picture`, { skip }, async () => {
    const { page, uploads } = await enter()
    const paste = (text: string) =>
      page.evaluate(
        async ([selector, text]) => {
          const canvas = document.createElement('canvas')
          const blob = await new Promise<Blob | null>(resolve => canvas.toBlob(resolve, 'image/png'))
          const clipboardData = new DataTransfer()
          clipboardData.items.add(new File([blob!], 'image.png', { type: 'image/png' }))
          if (text) clipboardData.setData('text/plain', text)
          const field = document.querySelector<HTMLElement>(selector!)!
          field.focus()
          return field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }))
        },
        [at.text, text],
      )
    assert.equal(await paste('lighthouse\t3\nharbour\t4'), true, 'the browser goes on and pastes the text')
    assert.equal(await page.locator('.uploading').count(), 0)
    assert.equal(await paste(''), false)
    await page.waitForSelector('.uploading')
    await uploads.count()
    await uploads.breakOff()
  })
}

for (const [name, at] of Object.entries(room)) {
  test(`${name}: what is sent again by itself can be called off, and keeps its words`, { skip }, async () => {
    const person = await alice(app)
    const { page } = await openPage(browser, app.url, person)
    await page.goto(at.path)
    let presses = 0
    let isFull = true
    await page.route(
      url => url.pathname === at.path,
      route => {
        if (route.request().method() !== 'POST' || !isFull) return void route.continue()
        presses++
        void route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, body: '' })
      },
    )
    await page.fill(at.text, 'in a crowd')
    await at.press(page)
    await page.click(`#toasts button:has-text("${t('common.call_off')}")`)
    await page.waitForSelector(`#toasts >> text=${t('common.called_off')}`)
    assert.equal(await page.inputValue(at.text), 'in a crowd')
    assert.equal(presses, 1)
    await at.press(page)
    await page.waitForSelector('#toasts button')
    isFull = false
    await page.waitForSelector(at.done)
    assert.equal(await page.locator('#toasts button').count(), 0)
    assert.deepEqual(at.calls(person).map(promptOf), ['in a crowd'])
  })
}

test('a card that meets a crowd is sent again by itself, and paid once', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/chat')
  await page.fill('#say', 'draw a pier')
  await page.press('#say', 'Enter')
  await page.waitForSelector('form.card')
  let presses = 0
  await page.route('**/paint', route => {
    if (presses++ > 0) return void route.continue()
    void route.fulfill({ status: 503, headers: { 'Retry-After': '1' }, body: '' })
  })
  await page.click('form.card .primary')
  await page.waitForSelector('#toasts button')
  await page.waitForSelector('.tool + .state-done')
  assert.equal(presses, 2)
  assert.equal(mock.control.calls({ email: person.email, path: '/v1/images/generations' }).length, 1)
})

test('a picture that is taken as a reference is waited for as well', { skip }, async () => {
  const person = await alice(app)
  const made = await makePicture(app, person, 'a first harbour')
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/images')
  const uploads = await slowUploads(page, '/images/references')
  await page.click('.picture [popovertarget]')
  await page.click(`a[href="/images?reference=${made.id}"]`)
  await uploads.count()
  await page.fill('#prompt', 'the same at night')
  await page.click('.pay .primary')
  await page.waitForSelector('#held [data-call-off]:visible')
  await uploads.arrive()
  await page.waitForSelector('.job.state-done:has-text("the same at night")')
  const [call] = mock.control.calls({ email: person.email, path: '/v1/images/edits' })
  assert.deepEqual([call!.prompt, call!.inputs], ['the same at night', 1])
})

test('the way to a batch waits for what the batch is to start from', { skip }, async () => {
  const { page } = await openPage(browser, app.url, await alice(app))
  await page.goto('/images')
  const uploads = await slowUploads(page, '/images/references')
  await page.setInputFiles('#references [type="file"]', await picture('#112233'))
  await page.fill('#prompt', 'one of many')
  await uploads.count()
  await page.click('[popovertarget="more"]')
  await page.click('[data-save-draft][href="/images/batch"]')
  await page.waitForSelector('#held [data-call-off]:visible')
  await uploads.arrive()
  await page.waitForURL('**/images/batch')
  assert.equal(await page.locator('#batch [name="reference"]').count(), 1)
  assert.equal(await page.inputValue('#prompts'), 'one of many')
})

test('a picture added while the form was on its way stays in it', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/images')
  const presses = await slowUploads(page, '/images')
  await page.fill('#prompt', 'a harbour alone')
  await page.click('.pay .primary')
  await presses.count()
  await page.setInputFiles('#references [type="file"]', await picture('#445566'))
  await page.waitForSelector('.reference[data-token]')
  await presses.arrive()
  await page.waitForSelector('.job:has-text("a harbour alone")')
  await page.waitForSelector('.reference[data-token]')
  await page.click('.pay .primary')
  await presses.count()
  await presses.arrive()
  await until('an edit', async () => mock.control.calls({ email: person.email, path: '/v1/images/edits' })[0])
})

/** What a form without JavaScript sends, as it stands on its page, but for its files. */
function fieldsOf(page: Shown, form: string): URLSearchParams {
  const fields = page.html.querySelectorAll(`${form} :is(input, textarea)`).filter(field => {
    const type = field.getAttribute('type')
    return field.getAttribute('name') && type !== 'file'
  })
  return new URLSearchParams(
    fields.map(field => [field.getAttribute('name')!, field.getAttribute('value') ?? field.textContent]),
  )
}

const withoutScript = {
  create: { path: '/images', form: '#composer', text: 'prompt', taken: 'reference', remove: '/images/references' },
  chat: { path: '/chat', form: '#chat-composer', text: 'text', taken: 'attachment', remove: '/chat/draft' },
}

for (const [name, at] of Object.entries(withoutScript)) {
  const { calls } = room[name as keyof typeof room]
  const bring = async (person: Person) => {
    const files = [await picture('#224466'), await heic()].map(({ name, buffer }) => [name, buffer] as const)
    return person.upload(at.path, files, { [at.text]: 'from both' })
  }

  test(`${name}: without JavaScript a refused file comes back in its place, and is not left out`, async () => {
    const person = await alice(app)
    const page = await bring(person)
    assert.equal(page.status, 422)
    assert.match(page.html.querySelector('form .refused-file')!.text, /photo\.heic/)
    const fields = fieldsOf(page, at.form)
    assert.equal(fields.get(at.text), 'from both')
    assert.equal(fields.getAll(at.taken).length, 1)

    const pressed = await person.postRaw(at.path, fields.toString())
    assert.equal(pressed.status, 422)
    assert.match(pressed.text, /a file could not be used/)
    assert.deepEqual(calls(person), [])

    const button = pressed.html.querySelector('form .refused-file [name="remove"]')!
    assert.equal(button.getAttribute('formaction'), at.remove)
    fields.set('remove', button.getAttribute('value')!)
    const removed = await person.postRaw(at.remove, fields.toString())
    const mended = removed.location ? await person.get(removed.location) : removed
    assert.equal(mended.html.querySelectorAll('form .refused-file').length, 0)
    assert.equal(fieldsOf(mended, at.form).get(at.text), 'from both')
    const sent = await person.postRaw(at.path, fieldsOf(mended, at.form).toString())
    assert.equal(sent.status, 303)
    await until('the call', async () => calls(person)[0])
  })

  test(`${name}: without JavaScript a file that is chosen anew takes the place of a refused one`, async () => {
    const person = await alice(app)
    const fields = fieldsOf(await bring(person), at.form)
    const { name, buffer } = await picture('#553311')
    const form = Object.fromEntries(fields)
    assert.equal((await person.upload(at.path, [[name, buffer]], form)).status, 303)
    await until('the call', async () => calls(person)[0])
  })
}

test('a batch is not started while a refused file stands in its form', async () => {
  const person = await alice(app)
  const { name, buffer } = await heic()
  await person.upload('/images/references', [[name, buffer]], { prompt: 'one of many' })
  const page = await person.get('/images/batch')
  const fields = fieldsOf(page, '#batch')
  assert.match(page.html.querySelector('#batch .refused-file')!.text, /photo\.heic/)
  fields.set('step', 'start')
  const refused = await person.postRaw('/images/batch', fields.toString())
  assert.equal(refused.status, 422)
  assert.match(refused.html.querySelector('#batch-preview')!.text, /a file could not be used/)
  assert.deepEqual(
    mock.control.calls({ email: person.email }).filter(call => call.path.includes('/images/')),
    [],
  )

  fields.set('remove', refused.html.querySelector('.refused-file [name="remove"]')!.getAttribute('value')!)
  const mended = fieldsOf(await person.postRaw('/images/batch', fields.toString()), '#batch')
  assert.deepEqual([mended.get('refused'), mended.get('prompts')], [null, 'one of many'])
  mended.set('step', 'start')
  assert.equal((await person.postRaw('/images/batch', mended.toString())).status, 303)
})

test('a picture that is gone when its form is sent is not left out', async () => {
  const person = await alice(app)
  const { token } = await makePicture(app, person, 'a harbour that goes')
  await person.post('/images/draft', { prompt: 'the same at night', reference: token })
  await app.db.run('delete from pictures where token = $1', [token])
  await app.db.run('delete from files where token = $1', [token])
  for (const path of ['/images', '/images?reference=00000000-0000-4000-8000-000000000000']) {
    const fields = fieldsOf(await person.get(path), '#composer')
    assert.equal(fields.get('refused'), 'gone ')
    assert.equal((await person.postRaw('/images', fields.toString())).status, 422)
  }
})
