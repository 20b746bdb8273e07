import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import type { Page } from '../testing/browser.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp()
const htmx = { htmx: true }

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const composed = (page: Page) => page.html.querySelector('#prompt')!.textContent
const draftOf = (page: Page) => page.html.querySelector('#composer [name="draft"]')!.getAttribute('value')!
const offered = (page: Page) => page.html.querySelectorAll('.kept-words').map(each => each.text.trim())
const wayBack = (page: Page) => page.html.querySelector('.kept-draft a')!.getAttribute('href')!

/** Types into the page as it was opened. */
async function type(person: Person, page: Page, prompt: string, more: Record<string, string> = {}): Promise<void> {
  const answer = await person.post('/images/draft', { prompt, draft: draftOf(page), ...more }, htmx)
  assert.equal(answer.status, 204)
}

test('words that were not sent are kept, whatever is opened in Create and typed into', async () => {
  const person = await alice(app)
  const job = await ask(person, 'asked for before')
  await jobEnd(app.db, job)
  const picture = await makePicture(app, person, 'a picture')
  const saved = (await person.post('/prompts', { prompt: 'a saved prompt' })).location.split('#saved-')[1]!
  const ways = [
    `/images?saved=${saved}`,
    '/images?idea=food.tea',
    '/images?example=fox',
    `/images?from=${job}`,
    `/images?edit=${picture.id}`,
  ]
  for (const [number, way] of ways.entries()) {
    const words = `half a thought ${number}`
    await type(person, await person.get('/images'), words)
    const opened = await person.get(way)
    assert.notEqual(composed(opened), words, way)
    assert.equal(offered(opened)[0], words, `${way} offers it before anything is typed`)
    assert.equal(composed(await person.get(wayBack(opened))), words, way)
    await type(person, opened, `${composed(opened)} typed on`)
    const next = await person.get('/images')
    assert.match(composed(next), /typed on$/)
    assert.equal(offered(next)[0], words, way)
    const back = await person.get(wayBack(next))
    assert.equal(composed(back), words)
    assert.match(offered(back)[0]!, /typed on$/, 'and the other way round')
    await type(person, back, `${words}, ended`)
    assert.equal(composed(await person.get('/images')), `${words}, ended`)
  }
  const used = await person.get(`/images?reference=${picture.id}`)
  assert.equal(composed(used), 'half a thought 4, ended', 'a reference joins the words')
  assert.ok(!offered(used).includes('half a thought 4, ended'))
})

test('what goes on from a draft, or has been sent, is not offered again', async () => {
  const person = await alice(app)
  await type(person, await person.get('/images'), 'a long thought about the sea')
  const shorter = await person.get('/images')
  await type(person, shorter, 'a thought')
  assert.deepEqual(offered(await person.get('/images')), [])

  const sent = await person.get('/images')
  await person.post('/images', { prompt: 'a thought', submission: randomUUID(), draft: draftOf(sent) })
  await until('it to be kept as sent', async () => {
    const { rows } = await app.db.pool.query('select 1 from image_drafts where sent and form->>$1 = $2', [
      'prompt',
      'a thought',
    ])
    return rows.length === 1
  })
  const idea = await person.get('/images?idea=food.tea')
  assert.deepEqual(offered(idea), [])
  await type(person, idea, 'tea')
  assert.deepEqual(offered(await person.get('/images')), [])
})

test('two pages that were opened at once keep the words of each other', async () => {
  const person = await alice(app)
  const [one, other] = [await person.get('/images'), await person.get('/images')]
  await type(person, one, 'words of one')
  await type(person, other, 'words of the other')
  assert.deepEqual(offered(await person.get('/images')), ['words of one'])
  await type(person, one, 'more words of one')
  const next = await person.get('/images')
  assert.equal(composed(next), 'more words of one')
  assert.deepEqual(offered(next), ['words of the other'])
})

test('words go into another draft when what was opened is asked for at once; pictures to start from count as words', async () => {
  const person = await alice(app)
  const { token } = await makePicture(app, person, 'a reference')
  await type(person, await person.get('/images'), '', { reference: token! })
  const idea = await person.get('/images?idea=food.tea')
  assert.deepEqual(offered(idea), ['1 reference picture'])
  await person.post('/images', { prompt: 'tea', submission: randomUUID(), draft: draftOf(idea) })
  const next = await until('the draft', async () => {
    const page = await person.get('/images')
    return composed(page) === 'tea' && page
  })
  assert.deepEqual(offered(next), ['1 reference picture'])
  const back = await person.get(wayBack(next))
  assert.equal(back.html.querySelector('#composer [name="reference"]')!.getAttribute('value'), token)
})

test("a kept draft is put away and comes back; charlie reaches none of alice's", async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  await type(person, await person.get('/images'), 'hers alone')
  await type(person, await person.get('/images?idea=food.tea'), 'tea')
  const next = await person.get('/images')
  const id = wayBack(next).split('draft=')[1]!
  for (const what of ['away', 'back']) {
    assert.equal((await stranger.post(`/images/drafts/${id}/${what}`)).status, 404)
  }
  assert.notEqual(composed(await stranger.get(`/images?draft=${id}`)), 'hers alone')
  const away = await person.post(`/images/drafts/${id}/away`)
  const without = await person.get(away.location)
  assert.deepEqual(offered(without), [])
  await person.post(without.html.querySelector('#kept-drafts form')!.getAttribute('action')!)
  assert.deepEqual(offered(await person.get('/images')), ['hers alone'])
})

test('in a browser: words typed before an idea is opened are one press away', { skip: noChromium }, async () => {
  const person = await alice(app)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto('/images')
  await page.fill('#prompt', 'A lighthouse that nobody')
  await page.goto('/prompts')
  await page.click('#idea-food-bread .starter-use button')
  await page.waitForURL('**/images?idea=*')
  await page.focus('#prompt')
  const saved = page.waitForResponse('**/images/draft')
  await page.keyboard.type('!')
  await saved
  await page.goto('/images')
  assert.match(await page.inputValue('#prompt'), /!/)
  await page.click('.kept-draft a')
  await page.waitForURL('**/images?draft=*')
  assert.equal(await page.inputValue('#prompt'), 'A lighthouse that nobody')
  assert.deepEqual(complaints, [])
})
