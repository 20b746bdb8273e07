import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp()
const { db } = app

async function shown(person: Person, address: string): Promise<string[]> {
  const { html } = await person.get(address)
  return html.querySelectorAll('.job .caption-prompt').map(prompt => prompt.text.trim())
}

test('what was asked for is found by its words and by what became of it, also what was put away', async () => {
  const person = await alice(app)
  assert.equal((await person.get('/images')).html.querySelector('.history'), null, 'nothing to look through')
  for (const prompt of ['a red fox', 'a Blue FOX at night', '夜里的灯塔', 'fox #fail-policy']) {
    await jobEnd(db, await ask(person, prompt))
  }
  const failed = (await person.get('/images')).html.querySelector('.job.state-failed')!.id.slice(4)
  await person.post(`/images/${failed}/dismiss`)

  assert.deepEqual(await shown(person, '/images'), ['夜里的灯塔', 'a Blue FOX at night', 'a red fox'])
  assert.deepEqual(await shown(person, '/images?q=fox'), ['fox #fail-policy', 'a Blue FOX at night', 'a red fox'])
  assert.deepEqual(await shown(person, '/images?q=fox+night'), ['a Blue FOX at night'])
  assert.deepEqual(await shown(person, `/images?q=${encodeURIComponent('灯')}`), ['夜里的灯塔'])
  assert.deepEqual(await shown(person, '/images?show=nothing'), ['fox #fail-policy'])
  assert.deepEqual(await shown(person, '/images?show=made&q=fox'), ['a Blue FOX at night', 'a red fox'])
  assert.deepEqual(await shown(person, '/images?show=open'), [])
  assert.deepEqual(await shown(person, '/images?q=%25'), [], 'a sign of the search is a letter like others')

  const { html } = await person.get('/images?q=nowhere&show=made')
  assert.ok(html.querySelector('.empty a[href="/images"]'))
  assert.equal(html.querySelector('.examples'), null)
  assert.equal(html.querySelector('#arrivals'), null, 'what arrives need not match')
  assert.equal(html.querySelector('.history [aria-current]')!.getAttribute('href'), '/images?q=nowhere&show=made')
  assert.deepEqual(await shown(await charlie(app), '/images?q=fox'), [])
})

test('a long history goes on where its page ended, by the same words', async () => {
  const person = await alice(app)
  const prompts = Array.from({ length: 30 }, (_, number) => `boat ${number}`).join('\n')
  app.mock.control.user(person.email, { balance: 1000 })
  await person.post('/account/balance')
  const submission = crypto.randomUUID()
  assert.equal((await person.post('/images/batch', { prompts, step: 'start', submission })).status, 303)
  await ask(person, 'something else')
  const first = await person.get('/images?q=boat')
  const older = first.html.querySelector('#older a')!.getAttribute('href')!
  assert.match(older, /^\/images\?q=boat&amp;before=|^\/images\?q=boat&before=/)
  const more = await shown(person, older.replaceAll('&amp;', '&'))
  assert.equal(first.html.querySelectorAll('.job').length + more.length, 30)
  assert.ok(more.every(prompt => prompt.startsWith('boat')))
})
