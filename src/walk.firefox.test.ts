import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Firefox, noFirefox, startFirefox } from './testing/firefox.ts'
import { testApp, until } from './testing/server.ts'

const app = await testApp()
const { mock } = app

let firefox: Firefox
let tab: string
before(async () => {
  if (noFirefox) return
  firefox = await startFirefox()
  tab = (await firefox.contexts())[0]!.context
})
after(async () => firefox?.close())

test('in Firefox: signed in, a picture made and edited, looked at, chatted about; by keys, in the dark, in Chinese', {
  skip: noFirefox,
}, async () => {
  await firefox.open(`${app.url}/account`)
  await fill('[name="email"]', 'walker@example.com')
  await fill('[name="password"]', 'a password')
  await firefox.press(tab, 'Enter')
  await press('form[action="/account/key"] button')
  await shown('.rail .key-name')

  // Made, with previews on the way; then the source of another.
  await open('/images')
  const held = mock.control.fault({ match: { prompt: 'harbour' }, hold: 'after_partial' })
  await fill('#prompt', 'a harbour')
  await press('.pay .primary')
  await shown('.job img.preview')
  mock.control.release(held)
  await drawn('.job.state-done .picture img')
  await press('.job a[data-picture]')
  await drawn('#lightbox[open] .lightbox-stage img')
  await press('#lightbox [data-act="open"]')
  await press('.facts-actions a[href*="reference="]')
  await drawn('.reference img')
  await fill('#prompt', 'the same at night')
  await firefox.press(tab, 'Control+Enter')
  await holds(`document.querySelectorAll('.job.state-done .picture img').length === 2`)
  assert.equal(mock.control.calls({ path: '/v1/images/edits' }).length, 1)

  // Opened, stepped, closed by Back.
  await open('/library')
  await press('.cell a[data-picture]')
  await drawn('#lightbox[open] .lightbox-stage img')
  await firefox.press(tab, 'ArrowRight', '?')
  await shown('#keyboard[open]')
  await firefox.press(tab, 'Escape')
  await firefox.back(tab)
  await gone('#lightbox[open]')
  assert.equal(await firefox.evaluate(tab, 'location.pathname'), '/library')

  // Asked, answered word by word, stopped.
  await firefox.press(tab, 'g', 'c')
  await fill('#say', 'show #code')
  await firefox.press(tab, 'Enter')
  await shown('.answer.state-done .code')
  const writing = mock.control.fault({ match: { prompt: 'stop me' }, hold: 'mid_picture' })
  await fill('#say', 'stop me')
  await firefox.press(tab, 'Enter')
  await shown('.answer.writing .prose p')
  await press('.stop')
  await shown('.answer.state-stopped')
  mock.control.release(writing)

  // The palette, theme and language.
  await firefox.press(tab, 'Control+k')
  await shown('#palette[open] #palette-words')
  await firefox.type(tab, 'dark')
  await shown('.palette-list [data-press*="dark"]')
  await firefox.press(tab, 'Enter')
  await shown('html[data-theme="dark"]')
  await press('.prefs [value="zh-CN"]')
  await shown('html[lang="zh-CN"] .answer.state-stopped')
  assert.deepEqual(firefox.complaints, [])
})

async function open(path: string): Promise<void> {
  await firefox.open(app.url + path)
}

/** On what is there to be pressed, as soon as it is. */
async function press(selector: string): Promise<void> {
  await shown(selector)
  await firefox.click(tab, selector)
}

async function fill(selector: string, text: string): Promise<void> {
  await press(selector)
  await firefox.type(tab, text)
}

function shown(selector: string): Promise<unknown> {
  return holds(`document.querySelector(${JSON.stringify(selector)})?.checkVisibility()`)
}

function drawn(selector: string): Promise<unknown> {
  return holds(`document.querySelector(${JSON.stringify(selector)})?.naturalWidth > 0`)
}

function gone(selector: string): Promise<unknown> {
  return holds(`!document.querySelector(${JSON.stringify(selector)})`)
}

function holds(expression: string): Promise<unknown> {
  // Between two pages there is nothing to ask.
  const asked = `document.readyState === 'complete' && (${expression})`
  return until(`${expression} in Firefox`, async () => (await firefox.evaluate(tab, asked).catch(() => false)) === true)
}
