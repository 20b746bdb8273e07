import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { HTMLElement } from 'node-html-parser'
import type { Browser } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../../testing/chromium.ts'
import { answerCalls, openStream, replyIn, say } from '../../testing/conversations.ts'
import { insertLongConversation } from '../../testing/long-conversation.ts'
import { alice, charlie, type Person } from '../../testing/people.ts'
import { testApp, until } from '../../testing/server.ts'

const app = await testApp()
const { db, mock } = app
const LENGTH = 150

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const longTalk = (person: Person, length = LENGTH) =>
  insertLongConversation(db, mock.control.user(person.email).id, length)

/** The numbers that the messages of a page say, in their order. */
function numbersIn(html: HTMLElement): number[] {
  return html
    .querySelectorAll('.message')
    .map(message => Number(/(?:question|answer) (\d+)/.exec(message.text)?.[1] ?? Number.NaN))
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

test('of a long conversation the end is shown, and what stands above it comes part by part to its beginning', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const page = await person.get(`/chat/${id}`)
  assert.deepEqual(numbersIn(page.html), range(LENGTH - 39, LENGTH))
  let shown = numbersIn(page.html)
  for (let { html } = page; ; ) {
    const older = html.querySelector('#older-messages a')?.getAttribute('hx-get')
    if (!older) break
    ;({ html } = await person.get(older, { htmx: true }))
    shown = [...numbersIn(html), ...shown]
  }
  assert.deepEqual(shown, range(1, LENGTH))
})

test('without JavaScript the older messages are pages, which lead back to the end', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  let page = await person.get(`/chat/${id}`)
  page = await person.get(page.html.querySelector('#older-messages a')!.getAttribute('href')!)
  assert.deepEqual(numbersIn(page.html), range(LENGTH - 79, LENGTH - 40))
  assert.equal(page.html.querySelector('#follow'), null, 'what comes at the end is not for this page')
  const parent = page.html.querySelector('#parent')!.getAttribute('value')!
  assert.ok(page.html.querySelector(`a[href="/chat/${id}"]`))
  // What is said there goes on at the end.
  await say(person, 'said from above', id, { conversation: id, parent })
  await replyIn(db, id, 'done')
  assert.equal((await person.get(`/chat/${id}`)).html.querySelectorAll('.said').at(-1)?.text, 'said from above')
})

test('a message far up is shown among its neighbours, and found by its words', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const list = await person.get('/chat/list?q=question+31', { htmx: true })
  const link = list.html.querySelector(`#c-${id} a`)!.getAttribute('href')!
  const [address, hash] = link.split('#')
  const page = await person.get(address!)
  assert.match(page.html.querySelector(`#${hash}`)!.text, /question 31/)
  const numbers = numbersIn(page.html)
  assert.deepEqual(numbers, range(numbers[0]!, numbers.at(-1)!))
  assert.ok(numbers.length <= 40 && numbers[0]! < 31 && numbers.at(-1)! > 31)
  const newer = page.html.querySelector('.older a[href*="?at="]')!
  const next = await person.get(newer.getAttribute('href')!)
  assert.ok(numbersIn(next.html).at(-1)! > numbers.at(-1)!)
})

test('what is said beside a message far up goes to the end of its branch', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const page = await person.get(`/chat/${id}`)
  const older = await person.get(page.html.querySelector('#older-messages a')!.getAttribute('hx-get')!, { htmx: true })
  const [far] = older.html.querySelectorAll('.message').map(message => message.id.slice(2))
  const beside = await person.get(`/chat/${id}?at=${far}`)
  assert.ok(numbersIn(beside.html).at(-1)! < LENGTH)
  const parent = beside.html.querySelector('#parent')!.getAttribute('value')!
  await say(person, 'said from far up', id, { conversation: id, parent })
  await replyIn(db, id, 'done')
  const end = await person.get(`/chat/${id}`)
  assert.equal(end.html.querySelectorAll('.said').at(-1)?.text, 'said from far up')
  assert.equal(end.html.querySelectorAll('.message').length, 40)

  const other = await longTalk(person)
  const strange = { text: 'astray', conversation: other, parent }
  assert.equal((await person.post(`/chat/${other}/messages`, strange)).status, 404)
})

test('a page and its stream hear of the end alone, however long the conversation is', async () => {
  const person = await alice(app)
  const id = await longTalk(person, 600)
  const page = await person.get(`/chat/${id}`)
  const shown = page.html.querySelector('#chat-pulse')!.getAttribute('data-v')!
  const first = page.html.querySelector('#thread .message')!.id.slice(2)
  assert.equal((await person.get(`/chat/${id}/pulse?from=${first}&v=${shown}`, { htmx: true })).status, 204)
  const stream = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  await say(person, 'one more', id)
  await replyIn(db, id, 'done')
  await until('the end of the answer', async () => stream.events.some(({ event }) => event === 'e'))
  stream.close()
  const heard = stream.events.map(({ data }) => data).join('\n')
  assert.match(heard, /one more/)
  assert.doesNotMatch(heard, /question \d/, 'nothing that was there before')
  const pulse = await person.get(`/chat/${id}/pulse?from=${first}&v=${shown}`, { htmx: true })
  const numbers = numbersIn(pulse.html)
  assert.deepEqual(numbers.slice(0, 40), range(561, 600))
  assert.equal(numbers.length, 42)
  assert.equal(pulse.html.querySelector('#older-messages'), null, 'what was loaded above stays')
})

test('an edit and a deletion far above the end reach a page that shows the end', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const page = await person.get(`/chat/${id}`)
  const stream = await openStream(app.url, person, page.html.querySelector('#follow')!.getAttribute('hx-sse:connect')!)
  const older = page.html.querySelector('#older-messages a')!.getAttribute('hx-get')!
  const above = (await person.get(older, { htmx: true })).html
  const edit = above.querySelector('.message.user .edit form')!
  const parent = edit.querySelector('[name="parent"]')!.getAttribute('value')!
  await say(person, 'said otherwise', id, { parent })
  const reply = await replyIn(db, id, 'done')
  await until('the other branch', async () => stream.events.some(({ data }) => data.includes('said otherwise')))
  const sync = stream.events.find(({ data }) => data.includes('said otherwise'))!
  assert.match(sync.data, /older-messages/, 'and what stands above it is another thing now')
  const edited = await person.get(`/chat/${id}`)
  assert.equal(edited.html.querySelectorAll('.said').at(-1)!.text, 'said otherwise')
  const back = edited.html.querySelectorAll('.branches a').at(-1)!.getAttribute('href')!
  assert.equal(numbersIn((await person.get(back)).html).includes(LENGTH - 39 - 40), true)

  await person.post(`/chat/${id}/messages/${parent}/delete`)
  await until('the deletion', async () =>
    stream.events.some(({ data }) => data.includes(`hx-target="#m-${reply.messageId}" hx-swap="delete"`)),
  )
  stream.close()
  const left = await person.get(`/chat/${id}`)
  assert.equal(left.html.querySelector(`#m-${reply.messageId}`), null)
  assert.deepEqual(numbersIn(left.html).at(-1), LENGTH - 39 - 40 - 2)
})

test('the model is told all that was said, not only what a page shows', async () => {
  const person = await alice(app)
  const id = await longTalk(person, 60)
  await say(person, 'what did I say first?', id)
  await replyIn(db, id, 'done')
  const [call] = answerCalls(mock, { email: person.email, prompt: 'what did I say first?' })
  assert.equal((call!.fields.input as unknown[]).length, 61)
})

test('a page that opens slowly asks for nothing older before it has come to its end', {
  skip: noChromium,
}, async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const { page } = await openPage(browser, app.url, person)
  const asked: string[] = []
  page.on('request', request => void asked.push(request.url()))
  const script = Promise.withResolvers<void>()
  await page.route('**/js/chat.js*', route => script.promise.then(() => route.continue()))
  await page.goto(`/chat/${id}`, { waitUntil: 'commit' })
  await page.waitForFunction(() => 'htmx' in window)
  const frame = () => page.evaluate(() => new Promise(resolve => requestAnimationFrame(resolve)))
  for (let frames = 0; frames < 5; frames++) await frame()
  script.resolve()
  await page.waitForFunction(() => scrollY > 0)
  for (let frames = 0; frames < 5; frames++) await frame()
  assert.deepEqual(
    asked.filter(url => url.includes('/older')),
    [],
  )
})

test('older messages come by scrolling up, and the reader stays where they were', { skip: noChromium }, async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  const topOf = (number: number) =>
    page.evaluate(
      wanted =>
        [...document.querySelectorAll('.message')]
          .find(message => message.textContent!.includes(`question ${wanted}`))!
          .getBoundingClientRect().top,
      number,
    )
  const shown = () => page.locator('.message').count()
  for (let count = await shown(); count < LENGTH; count = await shown()) {
    const oldest = LENGTH - count + 1
    await page.evaluate(() => scrollTo(0, 0))
    await page.waitForFunction(before => document.querySelectorAll('.message').length > before, count)
    // Where it stood when the page was at its very top: just below the link.
    await until(`question ${oldest} to stand near the top`, async () => {
      const top = await topOf(oldest)
      return top >= 0 && top < 400
    })
  }
  await page.fill('#say', 'and a last word')
  await page.press('#say', 'Enter')
  await page.waitForSelector('.said:has-text("and a last word")')
  assert.equal((await page.locator('.message').count()) >= 151, true, 'what was loaded stays')

  // An address of a message that the page does not begin with.
  const beginning = (await page.locator('.message').first().getAttribute('id'))!
  await page.goto('/chat')
  await page.goto(`/chat/${id}#${beginning}`)
  await page.waitForURL(/\?at=/)
  await page.waitForSelector('.said:has-text("question 1")')
  assert.deepEqual(complaints, [])
})

test('what is looked for in a conversation is found in all of it, other versions too, and each place is a link', async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const find = async (words: string, at?: string) => {
    const page = await person.get(`/chat/${id}?${new URLSearchParams({ find: words, ...(at && { at }) })}`)
    return page.location ? person.get(page.location) : page
  }
  // A script is not needed: the newest place first, and from there to the others.
  let page = await find('QUESTION 1')
  const hits = page.html.querySelectorAll('[data-hit]')
  assert.equal(hits.length, 1 + 5 + 25, 'of 1 to 149 all that are odd and begin with a 1')
  assert.equal(page.html.querySelector('#found-count')?.text, 'Place 31 of 31')
  assert.ok(numbersIn(page.html).includes(149))
  page = await person.get(page.html.querySelector('.next')!.getAttribute('href')!)
  assert.equal(page.html.querySelector('#found-count')?.text, 'Place 1 of 31')
  assert.equal(numbersIn(page.html)[0], 1)
  assert.equal(page.html.querySelector('[aria-current] mark')?.text, 'question 1')

  const parent = page.html.querySelectorAll('.message')[1]!.id.slice(2)
  for (const text of ['100%_sure café \\', 'another version']) {
    await say(person, text, id, { parent })
    await replyIn(db, id, 'done')
  }
  assert.equal((await find('100%_SURE cafe\u0301 \\')).html.querySelectorAll('[data-hit]').length >= 1, true)
  assert.match(
    (await find('100%_sure')).html.querySelector('.thread')!.text,
    /100%_sure/,
    'on a branch that is not shown',
  )
  page = await find('100__sure')
  assert.match(page.html.querySelector('#found')!.text, /Nothing here/)
  const [message] = (await find('another version')).html.querySelectorAll('[data-hit]')
  await person.post(`/chat/${id}/messages/${message!.getAttribute('data-hit')}/delete`)
  assert.equal((await find('another version')).html.querySelector('[data-hit]'), null)
  const stranger = await charlie(app)
  assert.equal((await stranger.get(`/chat/${id}?find=question`)).status, 404)
})

test('by keys one looks in a conversation, sees the words marked and goes from one to the next, loaded or not', {
  skip: noChromium,
}, async () => {
  const person = await alice(app)
  const id = await longTalk(person)
  const { page, complaints } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  await page.locator('h1').click()
  await page.keyboard.press('s')
  await page.keyboard.type('answer 1')
  await page.keyboard.press('Enter')
  await page.waitForURL(/find=answer/)
  const isIn = (number: number) =>
    page.waitForFunction(wanted => {
      const hit = document.querySelector('#found [aria-current]')
      const message = hit && document.getElementById(`m-${hit.getAttribute('data-hit')}`)
      const box = message?.querySelector('.prose')?.getBoundingClientRect()
      return box && message?.textContent?.includes(`answer ${wanted}`) && box.top < innerHeight && box.bottom > 0
    }, number)
  await isIn(150)
  assert.ok((await page.evaluate(() => CSS.highlights.get('found')?.size ?? 0)) > 5)
  const loads = await page.evaluate(() => performance.timeOrigin)
  await page.focus('#found-words')
  await page.keyboard.press('Shift+Enter')
  await isIn(148)
  assert.equal(await page.evaluate(() => performance.timeOrigin), loads, 'the page stays')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Enter')
  await isIn(10)
  assert.match((await page.textContent('#found-count')) ?? '', /^Place 1 of /)
  await page.focus('#found-words')
  await page.keyboard.press('Escape')
  await page.waitForURL(new RegExp(`/chat/${id}$`))
  assert.deepEqual(complaints, [])
})
