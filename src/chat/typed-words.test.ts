import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Page as Opened } from '../testing/browser.ts'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { answerCalls, replyIn, say, talk } from '../testing/conversations.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'
import { translator } from '../web/i18n.ts'

const t = translator('en')
const app = await testApp()
const { db, mock } = app

let browser: Browser
before(async () => {
  if (!noChromium) browser = await startChromium()
})
after(async () => browser?.close())

const skip = noChromium

/** Holds back the page's next messages until `go` is called, however the network then answers. */
async function holdMessages(page: Page, how: 'go on' | 'fail' = 'go on') {
  let go = () => {}
  let seen = 0
  const gone = new Promise<void>(resolve => {
    go = resolve
  })
  await page.route(/\/chat(\/[0-9a-f-]{36}\/messages)?$/, async route => {
    if (route.request().method() !== 'POST') return route.continue()
    seen++
    await gone
    await (how === 'fail' ? route.abort() : route.continue())
  })
  return {
    go,
    sent: (count = 1) => until('the message to leave', async () => seen >= count),
    count: () => seen,
  }
}

test('what is typed while a message is on its way stays in the box', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  const road = await holdMessages(page)
  await page.fill('#say', 'the first')
  await page.press('#say', 'Enter')
  await road.sent()
  assert.equal(await page.inputValue('#say'), '', 'emptied at once')
  await page.type('#say', 'the second')
  road.go()
  await page.waitForSelector('.answer.state-done >> nth=1')
  assert.equal(await page.inputValue('#say'), 'the second')
  await until('the second to be kept', async () =>
    /the second/.test((await person.get(`/chat/${id}`)).html.querySelector('#say')?.text ?? ''),
  )
})

test('what follows a first message goes along into the conversation that it begins', { skip }, async () => {
  const person = await alice(app)
  const { page } = await openPage(browser, app.url, person)
  await page.goto('/chat')
  const road = await holdMessages(page)
  await page.fill('#say', 'a beginning')
  await page.press('#say', 'Enter')
  await road.sent()
  await page.type('#say', 'and what comes next')
  road.go()
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  assert.equal(await page.inputValue('#say'), 'and what comes next')
  assert.equal((await person.get('/chat')).html.querySelector('#say')?.text, '')
})

test('a message that could not be sent is put back before what was typed since', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  const road = await holdMessages(page, 'fail')
  await page.fill('#say', 'never arrives')
  await page.press('#say', 'Enter')
  await road.sent()
  await page.type('#say', 'goes on')
  road.go()
  await page.waitForFunction(() =>
    (document.getElementById('say') as HTMLTextAreaElement).value.includes('never arrives'),
  )
  assert.equal(await page.inputValue('#say'), 'never arrives\n\ngoes on')
})

test('a second message while the first is on its way stays with a sentence; while it is answered, it waits in line', {
  skip,
}, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page, context, complaints } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  const other = await context.newPage()
  await other.goto(`/chat/${id}`)
  const fault = mock.control.fault({ match: { prompt: 'slow first' }, hold: 'mid_picture' })
  const road = await holdMessages(page)
  await page.fill('#say', 'slow first')
  await page.press('#say', 'Enter')
  await road.sent()
  await page.type('#say', 'too soon')
  await page.press('#say', 'Enter')
  await page.waitForSelector(`#chat-error >> text=${t('chat.still_sending')}`)
  road.go()
  await page.waitForSelector('.stop')
  await page.press('#say', 'Enter')
  for (const shown of [page, other]) await shown.waitForSelector('.in-line >> text=too soon')
  await page.waitForSelector('#chat-error:not(:has(.field-error))', { state: 'attached' })
  assert.equal(await page.inputValue('#say'), '')

  // Taken back above what is typed meanwhile; in line again; removed, and that undone.
  await page.type('#say', 'and more')
  await page.click('.in-line [formaction$="/edit"]')
  await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>('#say')!.value.startsWith('too soon'))
  assert.equal(await page.inputValue('#say'), 'too soon\n\nand more')
  await other.waitForSelector('.in-line', { state: 'detached' })
  await page.fill('#say', 'soon enough')
  await page.press('#say', 'Enter')
  await other.waitForSelector('.in-line >> text=soon enough')
  await page.fill('#say', 'not this')
  await page.press('#say', 'Enter')
  await page.waitForSelector('.in-line >> text=not this')
  await page.click('.in-line:has-text("not this") [formaction$="/remove"]')
  await page.waitForSelector('#removed form')
  await other.waitForSelector('.in-line >> text=not this', { state: 'detached' })
  mock.control.release(fault)
  for (const shown of [page, other]) {
    await shown.waitForSelector('.said >> text=soon enough')
    await shown.waitForSelector('.answer.state-done >> nth=2')
    await shown.waitForSelector('.in-line', { state: 'detached' })
  }
  await page.click('#removed button')
  await other.waitForSelector('.in-line.held-back >> text=not this')
  await other.click('.in-line [formaction$="/send"]')
  await page.waitForSelector('.answer.state-done >> nth=3')
  assert.deepEqual(complaints, [])
})

test('what is typed in one tab outlives what is sent from another', { skip }, async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const { page, context } = await openPage(browser, app.url, person)
  await page.goto(`/chat/${id}`)
  await page.fill('#say', 'still thinking')
  await until('the draft', async () =>
    /still thinking/.test((await person.get(`/chat/${id}`)).html.querySelector('#say')?.text ?? ''),
  )
  const other = await context.newPage()
  await other.goto(`/chat/${id}`)
  await other.fill('#say', 'sent from the other')
  await other.press('#say', 'Enter')
  await page.waitForSelector('.answer.state-done >> nth=1')
  assert.equal(await page.inputValue('#say'), 'still thinking')
  await page.reload()
  assert.equal(await page.inputValue('#say'), 'still thinking')
  await page.press('#say', 'Enter')
  await page.waitForSelector('.said:has-text("still thinking")')
})

test('of two messages below the same answer the second is refused, and keeps its words', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'hello')
  const fields = { conversation: id, parent: reply.messageId }
  const both = await Promise.all(
    ['one of two', 'two of two'].map(text =>
      person.post(`/chat/${id}/messages`, { ...fields, text, submission: crypto.randomUUID() }),
    ),
  )
  assert.equal(both.filter(({ status }) => status === 303).length, 1)
  const refused = both.find(({ status }) => status === 422)!
  assert.match(refused.html.querySelector('#say')!.text, /of two/)
  assert.match(refused.html.querySelector('#chat-error')!.text, new RegExp(t('chat.went_on')))
  const { messageId } = await replyIn(db, id, 'done')
  assert.equal(answerCalls(mock, { email: person.email, prompt: 'of two' }).length, 1)

  // The page that was refused goes on below what came in between.
  const parent = refused.html.querySelector('#parent')!.getAttribute('value')!
  assert.equal(parent, messageId)
  await say(person, 'two of two again', id, { ...fields, parent })
})

test('a form that was sent, gone back to and changed is another message', async () => {
  const person = await alice(app)
  const submission = crypto.randomUUID()
  const first = await person.post('/chat', { text: 'as it was', submission })
  const id = first.location.split('/').at(-1)!
  const { messageId } = await replyIn(db, id, 'done')
  const changed = { text: 'as it is now', submission, conversation: id, parent: messageId }
  await Promise.all([person.post(`/chat/${id}/messages`, changed), person.post(`/chat/${id}/messages`, changed)])
  await replyIn(db, id, 'done')
  assert.equal(answerCalls(mock, { email: person.email, prompt: 'as it is now' }).length, 1)
})

const typed = (page: Opened) => page.html.querySelector('#say')!.text
const offered = (page: Opened) => page.html.querySelectorAll('.kept-words').map(each => each.text.trim())
const wayBack = (page: Opened) => page.html.querySelector('.kept-draft a')!.getAttribute('href')!
const draftField = (page: Opened) => ({
  draft: page.html.querySelector('#chat-composer [name="draft"]')!.getAttribute('value')!,
  submission: page.html.querySelector('#submission')!.getAttribute('value')!,
})

/** Types into the page as it was opened. */
async function type(person: Person, page: Opened, text: string, more: Record<string, string> = {}): Promise<void> {
  const answer = await person.post('/chat/draft', { text, ...draftField(page), ...more }, { htmx: true })
  assert.equal(answer.status, 204)
}

test('two pages that begin a conversation keep the words of each other, whichever is sent', async () => {
  const person = await alice(app)
  const [one, other] = [await person.get('/chat'), await person.get('/chat')]
  await type(person, one, 'words of one')
  await type(person, other, 'words of the other')
  const next = await person.get('/chat')
  assert.equal(typed(next), 'words of the other')
  assert.deepEqual(offered(next), ['words of one'])
  await type(person, one, 'more words of one')
  assert.deepEqual(offered(await person.get('/chat')), ['words of the other'])
  const back = await person.get(wayBack(await person.get('/chat')))
  assert.equal(typed(back), 'words of the other')
  assert.deepEqual(offered(back), ['more words of one'])
  await type(person, back, 'words of the other, ended')
  assert.deepEqual(offered(await person.get('/chat')), ['more words of one'])

  const sent = { text: 'more words of one, sent', ...draftField(one) }
  assert.equal((await person.post('/chat', sent)).status, 303)
  // A draft of the page that was sent, when it comes late, neither brings that back nor moves another.
  await type(person, one, 'more words of one')
  const left = await person.get('/chat')
  assert.equal(typed(left), 'words of the other, ended')
  assert.deepEqual(offered(left), [])
  await person.post('/chat', { text: 'sent at last', ...draftField(left) })
  assert.equal(typed(await person.get('/chat')), '')
  // What a page follows that was opened before is gone: what came after it is another draft.
  await type(person, await person.get('/chat'), 'a new thought')
  await type(person, back, 'typed late')
  assert.deepEqual(offered(await person.get('/chat')), ['a new thought'])
})

test('what goes on from the draft of a new conversation is not offered; files alone are', async () => {
  const person = await alice(app)
  const attachment = `text:${crypto.randomUUID()}`
  await type(person, await person.get('/chat'), 'a long thought')
  const on = await person.get('/chat')
  await type(person, on, 'a thought')
  assert.deepEqual(offered(await person.get('/chat')), [])
  // Without JavaScript a page that is shown again is the same page still.
  const again = await person.post('/chat/draft', { text: 'a thought again', ...draftField(on) })
  assert.deepEqual(draftField(again), draftField(on))
  const [one, other] = [await person.get('/chat'), await person.get('/chat')]
  await type(person, one, '', { attachment, name: '' })
  await type(person, other, 'another')
  assert.deepEqual(offered(await person.get('/chat')), ['1 file'])
})

test("a draft of a new conversation that was put aside is put away and comes back; charlie reaches none of alice's", async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const [one, other] = [await person.get('/chat'), await person.get('/chat')]
  await type(person, one, 'hers alone')
  await type(person, other, 'hers too')
  const id = wayBack(await person.get('/chat')).split('draft=')[1]!
  for (const what of ['away', 'back']) {
    assert.equal((await stranger.post(`/chat/drafts/${id}/${what}`)).status, 404)
  }
  assert.equal(typed(await stranger.get(`/chat?draft=${id}`)), '')
  const away = await person.post(`/chat/drafts/${id}/away`)
  const without = await person.get(away.location)
  assert.deepEqual(offered(without), [])
  await person.post(without.html.querySelector('#kept-drafts form')!.getAttribute('action')!)
  assert.deepEqual(offered(await person.get('/chat')), ['hers alone'])
})

test('without JavaScript a page that is loaded anew while an answer is written has nowhere to type; beside it one can write', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const fault = mock.control.fault({ match: { prompt: 'written slowly' }, hold: 'mid_picture' })
  await say(person, 'written slowly', id)
  await mock.control.waitForCalls(1, { email: person.email, state: 'held' })
  const reloads = (page: Opened) => /<noscript><meta http-equiv="refresh"/.test(page.text)
  const link = (page: Opened) => /<p class="meanwhile">.*?<a href="([^"]*)">/.exec(page.text)?.[1]

  const waiting = await person.get(`/chat/${id}`)
  assert.ok(reloads(waiting))
  assert.ok(waiting.html.querySelector('#chat-composer.reloads'), 'its box is shown to scripts alone')
  const writing = await person.get(link(waiting)!)
  assert.ok(!reloads(writing))
  assert.equal(writing.html.querySelector('#chat-composer.reloads'), null)
  assert.ok(writing.html.querySelector('#say'))
  assert.equal(link(writing), `/chat/${id}`)

  // What answers a form is not loaded anew either: its address takes forms only.
  const refused = await person.upload(`/chat/${id}/messages`, [], { text: ' ', conversation: id })
  assert.equal(refused.status, 422)
  assert.ok(!reloads(refused))
  const stop = writing.html.querySelector('#chat-composer .stop')!.getAttribute('formaction')!
  await person.upload(stop, [], { text: 'half a thought', conversation: id })
  await replyIn(db, id, 'stopped')
  mock.control.release(fault)
  const after = await person.get(`/chat/${id}`)
  assert.equal(typed(after), 'half a thought')
  assert.ok(!reloads(after))
  assert.equal(link(after), undefined)
})
