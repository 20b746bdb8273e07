import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundKey, tokenOf } from './testing/agents.ts'
import type { Page } from './testing/browser.ts'
import { answerCalls, replyIn, talk } from './testing/conversations.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { alice, type Person } from './testing/people.ts'
import { makePicture } from './testing/pictures.ts'
import { testApp, until } from './testing/server.ts'

const app = await testApp()
const { db, mock } = app

const paid = ({ email }: Person) =>
  mock.control.calls({ email }).length - mock.control.calls({ email, path: '/v1/models' }).length

/** Alice's script: sends a task. */
async function script(person: Person) {
  const token = await tokenOf(app, await boundKey(app, person))
  return async (task: object) => {
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
      method: 'POST',
      headers,
      body: JSON.stringify(task),
    })
    const { field = '', message } = (await answer.json()) as { field?: string; message: string }
    return { status: answer.status, field, message }
  }
}

/** A conversation in which the model offers a picture; where its card is sent. */
async function offered(person: Person) {
  const { location } = await person.post('/chat', { text: 'draw a pier' })
  const card = await until('a card', async () => (await person.get(location)).html.querySelector('form.card'))
  return { conversation: location, action: card.getAttribute('action')! }
}

const nothingToSee = {
  'a zero-width space': '\u200b',
  'a soft hyphen': '\u00ad',
  'a Hangul filler': '\u3164',
  'a halfwidth Hangul filler': '\uffa0',
  'an empty Braille cell': '\u2800',
  'a variation selector': '\ufe0f',
  'a tag': '\u{e0041}',
  'a mark alone': '\u0301',
  'a word joiner between spaces': ' \u2060\u3000',
  'a right-to-left mark': '\u200f',
  'a control character': '\u0007',
  'an object that is not there': '\ufffc',
  'an invisible plus': '\u2064',
}

test('what shows nothing is no prompt, no question and no title, in any room', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'hello')
  const card = await offered(person)
  const send = await script(person)
  const before = paid(person)
  for (const [what, text] of Object.entries(nothingToSee)) {
    const refused: [string, Page][] = [
      ['Create', await person.post('/images', { prompt: text })],
      ['a batch', await person.post('/images/batch', { prompts: `${text}\n${text}`, step: 'start' })],
      ['chat', await person.post('/chat', { text })],
      ['an edited message', await person.post(`/chat/${id}/messages`, { text, parent: '' })],
      ['a card', await person.post(card.action, { prompt: text, size: '1024x1024', n: '1' })],
      ['a title', await person.post(`/chat/${id}/title`, { title: text })],
    ]
    for (const [where, { status }] of refused) assert.equal(status, 422, `${what} in ${where}`)
    assert.deepEqual(await send({ prompt: text }).then(each => [each.status, each.field]), [400, 'prompt'], what)
  }
  assert.equal(paid(person), before)
})

test('a line that shows nothing is no line of a batch, and any that shows something is', async () => {
  const person = await alice(app)
  const shown = ['.', '港', '한', 'a\u0301', '🏳️‍🌈', '1️⃣', '∅', '™']
  const lines = shown.flatMap(line => [line, ...Object.values(nothingToSee).slice(0, 3)])
  const page = await person.post('/images/batch', { prompts: lines.join('\n') })
  assert.equal(page.status, 200)
  assert.deepEqual(
    page.html.querySelectorAll('.line-prompt').map(each => each.text),
    shown,
  )
})

test('a form that pays refuses a field it does not know, names it, and loses nothing', async () => {
  const person = await alice(app)
  const { id, reply } = await talk(db, person, 'hello')
  const job = await ask(person, 'a known pier')
  await jobEnd(db, job)
  const card = await offered(person)
  const before = paid(person)
  const forms: [string, Record<string, string>, string][] = [
    ['/images', { prompt: 'typed words', Size: '3840x2160' }, '#prompt'],
    ['/images', { prompt: 'typed words', references: 'a' }, '#prompt'],
    ['/images/batch', { prompts: 'typed words', step: 'start', reference_image: 'a' }, '#prompts'],
    [`/images/${job}/retry`, { n: '3' }, ''],
    [`/images/${job}/variations`, { n: '3', size: '2048x2048' }, ''],
    ['/chat', { text: 'typed words', Model: 'gpt-5.4-mini' }, '#say'],
    [`/chat/${id}/messages`, { text: 'typed words', conversation: id, image: 'a' }, '#say'],
    [`/chat/${id}/messages/${reply.messageId}/again`, { model: 'gpt-5.4-mini' }, ''],
    [card.action, { prompt: 'typed words', size: '1024x1024', n: '1', N: '4' }, '.card textarea'],
    [card.action, { prompt: 'typed words', size: '1024x1024', n: '1', quality: 'low' }, '.card textarea'],
  ]
  for (const [path, fields, typed] of forms) {
    const name = Object.keys(fields).find(each => /[A-Z]|references|reference_|image|^model|^size|quality/.test(each))
    const field = path.endsWith('/retry') ? 'n' : path === card.action && fields.quality ? 'quality' : name!
    const page = await person.post(path, fields)
    assert.equal(page.status, 422, `${path} ${field}`)
    assert.match(page.text, new RegExp(`“(${field}|${Object.keys(fields).join('|')})” is not a field`), path)
    if (typed) assert.equal(page.html.querySelector(typed)?.text, 'typed words', path)
  }
  assert.equal(paid(person), before)
})

test('a file under a name that the form does not know is refused as well', async () => {
  const person = await alice(app)
  const picture = (await person.get(`/files/${(await makePicture(app, person, 'a first pier')).token}`)).body
  for (const [path, field] of [
    ['/images', 'prompt'],
    ['/chat', 'text'],
    ['/images/batch', 'prompts'],
  ] as const) {
    const form = new FormData()
    form.append(field, 'like this picture')
    form.append('step', 'start')
    if (path !== '/images/batch') form.delete('step')
    form.append('image', new Blob([new Uint8Array(picture)]), 'pier.png')
    const answer = await fetch(app.url + path, {
      method: 'POST',
      body: form,
      redirect: 'manual',
      headers: { Cookie: `sid=${person.cookie('sid')}`, Origin: app.url, Accept: 'text/html', 'Accept-Language': 'en' },
    })
    assert.equal(answer.status, 422, path)
    assert.match(await answer.text(), /“image” is not a field/, path)
  }
  assert.equal(mock.control.calls({ email: person.email, prompt: 'like this picture' }).length, 0)
})

test('a script’s field that differs from a known one in letter case only is named; others are ignored', async () => {
  const person = await alice(app)
  const send = await script(person)
  const data_url = `data:image/png;base64,${(await person.get(`/files/${(await makePicture(app, person, 'a pier')).token}`)).body.toString('base64')}`
  const large = `data:image/png;base64,${'A'.repeat(2 * 1024 * 1024)}`
  const wrong: [object, string][] = [
    [{ prompt: 'x', Size: '3840x2160' }, 'Size'],
    [{ payload: { prompt: 'x', N: 4 } }, 'N'],
    [{ Payload: { prompt: 'x' } }, 'Payload'],
    [{ prompt: 'x', images: [{ data_url }, { Data_URL: data_url }] }, 'images[1].Data_URL'],
    [{ prompt: 'x', images: [{ data_url, Data_URL: large }] }, 'images[0].Data_URL'],
    [{ prompt: 'x', images: [{ data_url }], mask: { DATA_URL: data_url } }, 'mask.DATA_URL'],
    [{ prompt: 'x', Images: [{ data_url }] }, 'Images'],
    [{ prompt: 'x', Stream: true }, 'Stream'],
  ]
  const before = paid(person)
  for (const [task, field] of wrong) {
    const answer = await send(task)
    assert.deepEqual([answer.status, answer.field], [400, field], JSON.stringify(task).slice(0, 80))
    assert.ok(answer.message.includes(field))
  }
  assert.equal(paid(person), before)
  const ignored = { prompt: 'x', reference: 'a.png', images: [{ data_url, note: 1 }], stream: true, seed: 7 }
  assert.equal((await send(ignored)).status, 202)
})

test('as many lines of a batch, as long as is promised, are taken; what is more is told its limit', async () => {
  const person = await alice(app)
  const page = await person.get('/images/batch')
  assert.equal(page.html.querySelector('#batch')!.getAttribute('enctype'), 'multipart/form-data')
  const line = '海'.repeat(32_000)
  const two = await person.upload('/images/batch', [], { prompts: `${line}\n${line}`, step: 'start' })
  assert.equal(two.status, 303, two.text.slice(0, 300))
  await until(
    'both',
    async () => mock.control.calls({ email: person.email, path: '/v1/images/generations' }).length === 2,
  )
  for (const { prompt } of mock.control.calls({ email: person.email })) assert.equal(prompt, line)

  const fifty = Array.from({ length: 50 }, () => '🌊'.repeat(32_000)).join('\n')
  assert.equal((await person.upload('/images/batch', [], { prompts: fifty, step: 'preview' })).status, 200)

  const longer = await person.upload('/images/batch', [], { prompts: `${line}海`, step: 'preview' })
  assert.equal(longer.status, 422)
  assert.match(longer.html.querySelector('.batch-lines .field-error')!.text, /32,?001.*32,?000|32,?000.*32,?001/)
  const more = await person.upload('/images/batch', [], { prompts: `${'x\n'.repeat(51)}`, step: 'preview' })
  assert.match(more.html.querySelector('#prompts-error')!.text, /51 .*50/)
  const sparse = await person.upload('/images/batch', [], { prompts: ' \n'.repeat(5_000), step: 'preview' })
  assert.equal(sparse.status, 422)
  const far = await person.upload('/images/batch', [], { prompts: `${fifty}\n${fifty}`, step: 'preview' })
  assert.equal(far.status, 413)
  assert.match(far.text, /The limit is 8 MiB/)
  const plain = await person.post('/images/batch', { prompts: fifty })
  assert.match(plain.text, /The limit is 4 MiB/)
})

test('what was changed since its price was shown is shown again before it is paid', async () => {
  const person = await alice(app)
  const preview = await person.post('/images/batch', { prompts: 'one pier' })
  const previewed = preview.html.querySelector('[name="previewed"]')!.getAttribute('value')!
  const submission = preview.html.querySelector('#batch [name="submission"]')!.getAttribute('value')!
  const changed = await person.post('/images/batch', {
    prompts: 'one pier\ntwo piers',
    step: 'start',
    previewed,
    submission,
  })
  assert.equal(changed.status, 422)
  assert.match(changed.html.querySelector('#changed-error')!.text, /this is the new one/)
  assert.equal(changed.html.querySelectorAll('.batch-lines li').length, 2)
  assert.equal(paid(person), 0)
  const next = changed.html.querySelector('[name="previewed"]')!.getAttribute('value')!
  const form = { prompts: 'one pier\ntwo piers', step: 'start', previewed: next, submission }
  assert.equal((await person.post('/images/batch', form)).status, 303)
})

test('the longest message can be edited and sent again, in any script', async () => {
  const person = await alice(app)
  const { id } = await talk(db, person, 'short')
  const form = (await person.get(`/chat/${id}`)).html.querySelector('.edit form')!
  assert.equal(form.getAttribute('enctype'), 'multipart/form-data')
  for (const letter of ['海', '🌊']) {
    const text = `${letter.repeat(99_999)}.`
    const sent = await person.upload(form.getAttribute('action')!, [], { text, parent: '' })
    assert.equal(sent.status, 303, sent.text.slice(0, 300))
    await replyIn(db, id, 'done')
    assert.equal(answerCalls(mock, { email: person.email }).at(-1)!.prompt, text)
  }
})
