import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp } from '../testing/server.ts'

const app = await testApp()
const { db } = app

const shown = async (person: Person) =>
  (await person.get('/images')).html.querySelectorAll('.job').map(tile => tile.id.slice(4))

async function ended(person: Person, prompt: string): Promise<string> {
  const id = await ask(person, prompt)
  await jobEnd(db, id)
  return id
}

test('what came to nothing is put away and brought back, alone and together; pictures and open questions stay', async () => {
  const person = await alice(app)
  const made = await ended(person, 'a fox')
  const first = await ended(person, 'a fox #fail-policy')
  const second = await ended(person, 'another #fail-policy')
  const inDoubt = await ended(person, 'in doubt #fail-policy')
  await db.run(`update image_jobs set state = 'unknown', charged = 'unknown' where id = $1`, [inDoubt])
  assert.deepEqual(await shown(person), [inDoubt, second, first, made])

  const { location } = await person.post(`/images/${first}/dismiss`)
  assert.deepEqual(await shown(person), [inDoubt, second, made])
  assert.equal((await person.get(`/images/${first}`)).status, 200)
  const at = (await person.get(location)).html.querySelector('#clear [name="at"]')!.getAttribute('value')!
  for (const id of [made, inDoubt, first]) assert.equal((await person.post(`/images/${id}/dismiss`)).status, 404, id)

  await person.post('/images/dismiss')
  assert.deepEqual(await shown(person), [inDoubt, made])
  await person.post('/images/dismiss/undo', { at })
  assert.deepEqual(await shown(person), [inDoubt, first, made])
  assert.equal((await person.post('/images/dismiss/undo', { at })).status, 404)
  for (const wrong of ['', 'yesterday', '2026-01-01T00:00:00.000000Z; drop table image_jobs']) {
    assert.equal((await person.post('/images/dismiss/undo', { at: wrong })).status, 400, wrong)
  }
})

test('nobody puts away what is another’s, or brings it back', async () => {
  const person = await alice(app)
  const stranger = await charlie(app)
  const id = await ended(person, 'mine #fail-policy')
  assert.equal((await stranger.post(`/images/${id}/dismiss`)).status, 404)
  await stranger.post('/images/dismiss')
  assert.ok((await shown(person)).includes(id))
  const { location } = await person.post(`/images/${id}/dismiss`)
  const at = new URL(location, app.url).searchParams.get('dismissed')!
  assert.equal((await stranger.post('/images/dismiss/undo', { at })).status, 404)
  assert.ok(!(await shown(person)).includes(id))
})
