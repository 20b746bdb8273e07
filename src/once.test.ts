import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerCalls, replyIn, talk } from './testing/conversations.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { alice, type Person } from './testing/people.ts'
import { testApp, until } from './testing/server.ts'

const app = await testApp()
const { db, mock } = app
const PRESSES = 20

/** The form that `selector` finds on a page: where it goes, and what it sends beside what is typed. */
async function formOn(person: Person, path: string, selector: string) {
  const form = await until(`${selector} on ${path}`, async () => (await person.get(path)).html.querySelector(selector))
  const hidden = form.querySelectorAll('[type="hidden"][name]')
  const fields = Object.fromEntries(hidden.map(each => [each.getAttribute('name')!, each.getAttribute('value') ?? '']))
  assert.match(fields.submission ?? '', /^[0-9a-f-]{36}$/, `${selector} has a key`)
  return { action: form.getAttribute('action')!, fields }
}

/** Twenty presses at once, and, when what they asked for has ended, one more: the answers' places. */
async function press(
  person: Person,
  { action, fields }: Awaited<ReturnType<typeof formOn>>,
  typed: Record<string, string>,
  ended: (place: string) => Promise<unknown>,
): Promise<void> {
  const send = async () => {
    const answer = await person.post(action, { ...fields, ...typed })
    assert.equal(answer.status, 303, answer.text.slice(0, 300))
    return answer.location
  }
  const places = await Promise.all(Array.from({ length: PRESSES }, send))
  assert.equal(new Set(places).size, 1)
  await ended(places[0]!)
  assert.equal(await send(), places[0])
  await ended(places[0]!)
}

const jobOf = (place: string) => place.split('/').at(-1)!
const paidCalls = ({ email }: Person) => [
  ...mock.control.calls({ email }).filter(call => call.path.includes('/images/')),
  ...answerCalls(mock, { email }),
]

test('Create pressed twenty times at once is one paid picture', async () => {
  const person = await alice(app)
  const form = await formOn(person, '/images', '#composer')
  await press(person, form, { prompt: 'a pier, once' }, place => jobEnd(db, jobOf(place)))
  assert.equal(paidCalls(person).length, 1)
})

test('Try again pressed twenty times is one paid call, also when that ends badly before the last press', async () => {
  for (const page of ['/images', null]) {
    const person = await alice(app)
    mock.control.fault({ match: { prompt: `a stubborn pier on ${page}` }, reply: 'too_large', times: 3 })
    const id = await ask(person, `a stubborn pier on ${page}`)
    await jobEnd(db, id)
    const path = page ?? `/images/${id}`
    const form = await formOn(person, path, 'form[action$="/retry"]')
    await press(person, form, {}, place => jobEnd(db, jobOf(place)))
    assert.equal(paidCalls(person).length, 2)
    // The page shown anew means another one.
    const anew = await formOn(person, path, `form[action="/images/${id}/retry"]`)
    await press(person, anew, {}, place => jobEnd(db, jobOf(place)))
    assert.equal(paidCalls(person).length, 3)
  }
})

test('what was tried again well in one tab is found from another, and not paid again', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'a pier in two tabs' }, reply: 'too_large' })
  const id = await ask(person, 'a pier in two tabs')
  await jobEnd(db, id)
  const tabs = [await formOn(person, '/images', 'form[action$="/retry"]')]
  tabs.push(await formOn(person, `/images/${id}`, 'form[action$="/retry"]'))
  const [first, second] = await Promise.all(tabs.map(({ action, fields }) => person.post(action, fields)))
  assert.equal(first!.location, second!.location)
  assert.equal((await jobEnd(db, jobOf(first!.location))).state, 'done')
  assert.equal((await person.post(tabs[1]!.action, tabs[1]!.fields)).location, first!.location)
  assert.equal(paidCalls(person).length, 2)
})

test('a tile that was tried again gets a key for the next time', async () => {
  const person = await alice(app)
  mock.control.fault({ match: { prompt: 'a pier in vain' }, reply: 'too_large' })
  const id = await ask(person, 'a pier in vain')
  await jobEnd(db, id)
  const { action, fields } = await formOn(person, '/images', 'form[action$="/retry"]')
  const answer = await person.post(action, fields, { htmx: true })
  const next = answer.html.querySelector(`#retry-${id} [name="submission"]`)?.getAttribute('value')
  assert.ok(next && next !== fields.submission)
})

test('variations pressed twenty times at once are one paid call', async () => {
  const person = await alice(app)
  const id = await ask(person, 'a pier, varied')
  await jobEnd(db, id)
  const form = await formOn(person, `/images/${id}`, '.variations')
  await press(person, form, { n: '2' }, place => jobEnd(db, jobOf(place)))
  assert.equal(paidCalls(person).length, 2)
})

test('a batch started twenty times at once is one paid call for each line', async () => {
  const person = await alice(app)
  const form = await formOn(person, '/images/batch', '#batch')
  const send = () =>
    person.post(form.action, { ...form.fields, prompts: 'one pier\ntwo piers', step: 'start', size: '1024x1024' })
  const answers = await Promise.all(Array.from({ length: PRESSES }, send))
  assert.deepEqual(new Set(answers.map(answer => answer.status)), new Set([303]))
  assert.equal(new Set(answers.map(answer => answer.location)).size, 1)
  const page = await until('the batch', async () => {
    const shown = await person.get(answers[0]!.location)
    return shown.html.querySelectorAll('.state-done').length === 2 && shown
  })
  assert.equal(page.html.querySelectorAll('.job').length, 2)
  assert.equal(paidCalls(person).length, 2)
})

test('every form of a conversation that asks for an answer is paid once, however often it is pressed', async () => {
  const forms = [
    { selector: '#chat-composer', typed: { text: 'and the second?' } },
    { selector: 'form.again', typed: {} },
    { selector: '.edit form', typed: { text: 'another first' } },
  ]
  for (const { selector, typed } of forms) {
    const person = await alice(app)
    const { id } = await talk(db, person, 'the first')
    const form = await formOn(person, `/chat/${id}`, selector)
    await press(person, form, typed, async place => {
      await replyIn(db, jobOf(place), 'done')
    })
    assert.equal(paidCalls(person).length, 2, selector)
  }
})

test('Continue is paid once; the same form with other words is another question', async () => {
  const person = await alice(app)
  const hold = mock.control.fault({ match: { prompt: 'the broken first' }, hold: 'mid_picture' })
  const begun = await person.post('/chat', { text: 'the broken first' })
  const id = jobOf(begun.location)
  const stop = await until('some words', async () => {
    const { html } = await person.get(`/chat/${id}`)
    return html.querySelector('.writing .prose')?.text.includes('You asked') && html.querySelector('button.stop')
  })
  await person.post(stop.getAttribute('formaction')!)
  await replyIn(db, id, 'stopped')
  mock.control.release(hold)
  const form = await formOn(person, `/chat/${id}`, 'form.go-on')
  await press(person, form, { text: 'Go on.' }, () => replyIn(db, id, 'done'))
  assert.equal(paidCalls(person).length, 2)
  await person.post(form.action, { ...form.fields, text: 'Go on, but shorter.' })
  await until('the other question', async () => paidCalls(person).length === 3)
})

test('a new conversation is begun once', async () => {
  const person = await alice(app)
  const form = await formOn(person, '/chat', '#chat-composer')
  await press(person, form, { text: 'only one beginning' }, place => replyIn(db, jobOf(place), 'done'))
  assert.equal(paidCalls(person).length, 1)
  const { rowCount } = await db.pool.query(
    'select from conversations where user_id = (select id from users where email = $1)',
    [person.email],
  )
  assert.equal(rowCount, 1)
})

/** The card of a picture that the model proposes, with what its form sends. */
async function cardOf(person: Person) {
  const begun = await person.post('/chat', { text: 'draw a pier' })
  const path = `/chat/${jobOf(begun.location)}`
  return { path, ...(await formOn(person, path, 'form.card')) }
}

test('Generate on the card of a conversation is one paid picture, and one answer to it', async () => {
  const person = await alice(app)
  const { path, action, fields } = await cardOf(person)
  const send = () => person.post(action, { ...fields, prompt: 'a pier', size: '1024x1024', n: '1' })
  await Promise.all(Array.from({ length: PRESSES }, send))
  await until('the closing words', async () => (await person.get(path)).html.querySelector('.tool + .state-done'))
  await send()
  assert.equal(mock.control.calls({ email: person.email, path: '/v1/images/generations' }).length, 1)
  assert.equal(answerCalls(mock, { email: person.email }).length, 2)
})

test('Not now, pressed twenty times, is one answer and no picture', async () => {
  const person = await alice(app)
  const { path, action, fields } = await cardOf(person)
  const send = () => person.post(action.replace(/paint$/, 'decline'), { ...fields, prompt: 'a pier' })
  await Promise.all(Array.from({ length: PRESSES }, send))
  await until('the closing words', async () => (await person.get(path)).html.querySelector('.tool + .state-done'))
  await send()
  assert.deepEqual(mock.control.calls({ email: person.email, path: '/v1/images/generations' }), [])
  assert.equal(answerCalls(mock, { email: person.email }).length, 2)
})

test('Generate and Not now, pressed at once, are one of the two', async () => {
  const person = await alice(app)
  const { path, action, fields } = await cardOf(person)
  const presses = Array.from({ length: PRESSES }, (_, index) =>
    person.post(index % 2 === 0 ? action : action.replace(/paint$/, 'decline'), { ...fields, prompt: 'a pier' }),
  )
  await Promise.all(presses)
  await until('the closing words', async () => (await person.get(path)).html.querySelector('.tool + .state-done'))
  assert.ok(mock.control.calls({ email: person.email, path: '/v1/images/generations' }).length <= 1)
  assert.equal(answerCalls(mock, { email: person.email }).length, 2)
  const { rows } = await db.pool.query(
    `select c.state, c.job_id is not null as painted from tool_calls c join chat_messages m on m.id = c.message_id
     where m.conversation_id = $1`,
    [jobOf(path)],
  )
  assert.deepEqual(
    rows.map(({ state, painted }) => [['done', 'declined'].includes(state), painted === (state === 'done')]),
    [[true, true]],
  )
})
