import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import type { Page } from '../testing/browser.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { alice, charlie } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'
import { languages, translator } from '../web/i18n.ts'
import { slotsOf } from './slots.ts'
import { starters, subjects, wordsOf } from './starters.ts'

const app = await testApp()
const root = path.join(import.meta.dirname, '../..')

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const composed = (page: Page) => page.html.querySelector('#prompt')!.textContent
const chosen = (page: Page, name: string) =>
  page.html.querySelector(`#composer [name="${name}"] option[selected]`)!.getAttribute('value')

test('a prompt is kept with its settings and references, and used with what it leaves open filled in', async () => {
  const person = await alice(app)
  const picture = await makePicture(app, person, 'a reference')
  const form = { prompt: 'A {place} at {hour}, {place} again, {red|blue} sky', quality: 'low', size: '1536x1024' }
  const { location } = await person.post('/prompts', { ...form, reference: picture.token })
  const id = location.split('#saved-')[1]!
  const page = await person.get('/prompts')
  const card = page.html.querySelector(`#saved-${id}`)!
  const slots = card.querySelectorAll('[name="slot"]').map(input => input.getAttribute('placeholder'))
  assert.deepEqual(slots, ['place', 'hour'], 'each once, and no choice among them')

  const used = await person.get(`/images?saved=${id}&slot=harbour&slot=dawn`)
  assert.equal(composed(used), 'A harbour at dawn, harbour again, {red|blue} sky')
  assert.deepEqual([chosen(used, 'quality'), chosen(used, 'size')], ['low', '1536x1024'])
  assert.equal(used.html.querySelector('#composer [name="reference"]')!.getAttribute('value'), picture.token)
  assert.equal(composed(await person.get(`/images?saved=${id}`)), form.prompt, 'what is left open stays')

  await person.post(`/prompts/${id}/name`, { name: 'Harbours' })
  const deleted = await person.post(`/prompts/${id}/delete`)
  assert.equal(deleted.html.querySelector(`#saved-${id}`), null)
  const undo = deleted.html
    .querySelectorAll('form.notice input')
    .map(each => [each.getAttribute('name')!, each.getAttribute('value')!])
  const again = await person.post('/prompts', Object.fromEntries(undo) as Record<string, string>)
  const back = (await person.get('/prompts')).html.querySelector(again.location.replace('/prompts', ''))!
  assert.equal(back.querySelector('h3')!.textContent, 'Harbours')
  const restored = await person.get(`/images?saved=${again.location.split('#saved-')[1]}`)
  assert.equal(composed(restored), form.prompt)
  assert.equal(restored.html.querySelector('#composer [name="reference"]')!.getAttribute('value'), picture.token)
})

test('what is no prompt is not kept, nor more than two hundred', async () => {
  const person = await alice(app)
  assert.equal((await person.post('/prompts', { prompt: ' \u200b' })).status, 422)
  assert.equal((await person.post('/prompts', { prompt: 'x'.repeat(200) })).status, 303)
  const { id } = app.mock.control.user(person.email)
  const more = `insert into saved_prompts (user_id, name, form) select $1, 'n', '{}' from generate_series(1, 199)`
  await app.db.run(more, [id])
  assert.equal((await person.post('/prompts', { prompt: 'one more' })).status, 409)
  assert.equal((await person.post('/prompts/00000000-0000-4000-8000-000000000000/name', { name: 'x' })).status, 404)
})

test("charlie cannot see, use, name or delete what is alice's", async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const id = (await person.post('/prompts', { prompt: 'hers alone' })).location.split('#saved-')[1]!
  assert.doesNotMatch((await stranger.get('/prompts')).text, /hers alone/)
  assert.notEqual(composed(await stranger.get(`/images?saved=${id}`)), 'hers alone')
  assert.equal((await stranger.post(`/prompts/${id}/name`, { name: 'mine' })).status, 404)
  assert.equal((await stranger.post(`/prompts/${id}/delete`)).status, 404)
  assert.match((await person.get('/prompts')).text, /hers alone/)
  assert.match((await app.browser().get('/prompts')).location, /^\/login/)
})

test('there are sixty ideas and more, in eight subjects, in each language, with drawings that weigh little', async () => {
  const person = await alice(app)
  assert.equal(subjects.length, 8)
  for (const language of languages) {
    await person.post('/preferences', { language, back: '/prompts' })
    const page = await person.get('/prompts')
    const ideas = page.html.querySelectorAll('[id^="idea-"]')
    assert.ok(ideas.length >= 60)
    const texts = new Set(ideas.map(each => each.querySelector('.starter-text')!.text.trim()))
    assert.equal(texts.size, ideas.length, 'each is another one')
  }
  await person.post('/preferences', { language: 'en', back: '/prompts' })
  for (const subject of subjects) {
    assert.ok(statSync(path.join(root, `public/examples/${subject}.svg`)).size <= 12_288)
    assert.ok(readFileSync(path.join(root, `public/examples/${subject}.svg`), 'utf8').startsWith('<svg'))
    for (const name of starters[subject].names) {
      const open = languages.map(language => slotsOf(translator(language)(wordsOf(subject, name))).length)
      assert.equal(open[0], open[1], `${subject}.${name} leaves the same open in each language`)
    }
  }
  const used = await person.get('/images?idea=landscapes.season&slot=winter')
  assert.match(composed(used), /oak in a meadow in winter, /)
  assert.equal(chosen(used, 'size'), '1536x1024')
  for (const idea of ['landscapes.nothing', 'constructor.name', 'x']) {
    assert.equal((await person.get(`/images?idea=${idea}`)).status, 200)
  }
})

test('in a browser: kept from Create without leaving it, found again by its link', { skip: noChromium }, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', 'A quiet {place}')
  await page.click('#composer .more')
  await page.click('#more [formaction="/prompts"]')
  await page.waitForSelector('#notice .notice >> text=A quiet {place}')
  assert.equal(await page.inputValue('#prompt'), 'A quiet {place}')
  assert.equal(app.mock.control.calls({ email: person.email }).length, 0)
  await page.keyboard.press('Escape')
  await page.click('#notice a')
  await page.waitForURL('**/prompts#saved-*')
  await page.fill('.starter:target [name="slot"]', 'library')
  await page.press('.starter:target [name="slot"]', 'Enter')
  await page.waitForURL('**/images?saved=*')
  await until('the words', async () => (await page.inputValue('#prompt')) === 'A quiet library')
  assert.deepEqual(complaints, [])
})
