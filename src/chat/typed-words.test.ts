import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { noChromium, openPage, startChromium } from '../testing/chromium.ts'
import { answerCalls, replyIn, say, talk } from '../testing/conversations.ts'
import { alice } from '../testing/people.ts'
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
