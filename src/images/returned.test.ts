import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const worker = { tickSeconds: 0.2, leaseSeconds: 5, sweepSeconds: 0.2, persistSeconds: 5 }
let app: TestApp
before(async () => {
  app = await testApp({ worker, partialImages: 0 })
})

const facts = {
  model: 'gpt-image-2-codex',
  quality: 'low',
  size: '1008x1024',
  background: 'opaque <b>',
  output_format: 'webp',
}

/** What stands on the page of a job's picture of how it was returned. */
async function toldOn(person: Person, job: string): Promise<string> {
  const { rows } = await app.db.pool.query<{ id: string }>('select id from pictures where job_id = $1', [job])
  const page = await person.get(`/library/${rows[0]!.id}`)
  const row = page.html.querySelectorAll('.details dl > div').filter(each => /Returned|As the model/.test(each.text))
  return row.map(each => each.text.replace(/\s+/g, ' ').trim()).join('; ')
}

test('what the gateway says of a picture is kept and shown, and found by the prompt that the model made of it', async () => {
  const person = await alice(app)
  const prompt = 'a bird by a lake'
  const revised = 'An elegant <i>spoonbill</i>\0 standing in shallow water'
  app.mock.control.fault({ match: { prompt }, facts, revised })
  const job = await ask(person, prompt)
  assert.equal((await jobEnd(app.db, job)).state, 'done')

  const said = await toldOn(person, job)
  assert.match(said, /gpt-image-2-codex · 1008x1024 · low · webp · opaque <b>/)
  assert.match(said, /An elegant <i>spoonbill<\/i> standing/)
  const found = await person.get('/library?q=spoonbill+shallow')
  assert.equal(found.html.querySelectorAll('.cell').length, 1)
})

test('in a stream each picture has what its own event says, made from words or from a picture', async () => {
  const streaming = await testApp({ worker, partialImages: 2 })
  const person = await alice(streaming)
  const prompt = 'two of them in a stream'
  streaming.mock.control.fault({ match: { prompt }, times: 2, facts: { quality: 'medium', model: 'gpt-image-2' } })
  const words = await ask(person, prompt, { n: '2' })
  await jobEnd(streaming.db, words)
  const [first] = await returnedOf(streaming, words)
  const edit = await ask(person, `${prompt}, again`, { reference: first!.token })
  await jobEnd(streaming.db, edit)
  const pictures = [...(await returnedOf(streaming, words)), ...(await returnedOf(streaming, edit))]
  assert.equal(pictures.length, 3)
  for (const { returned } of pictures) {
    assert.partialDeepStrictEqual(returned, { quality: 'medium', model: 'gpt-image-2', size: '1024x1024' })
  }
})

test('what was said of a picture that had to be fetched from an address is kept with it', async () => {
  const person = await alice(app)
  const prompt = 'behind an address that is slow to open'
  app.mock.control.fault({ match: { prompt }, url: 'http', urlRefusals: 4, facts, revised: 'another heron' })
  const job = await ask(person, prompt)
  assert.equal((await jobEnd(app.db, job)).state, 'done')
  const [picture] = await returnedOf(app, job)
  assert.partialDeepStrictEqual(picture, { returned: { model: facts.model }, revised: 'another heron' })
})

test('a prompt that the model left as it was is not told twice', async () => {
  const person = await alice(app)
  const prompt = 'as it was'
  app.mock.control.fault({ match: { prompt }, revised: prompt })
  const job = await ask(person, prompt)
  await jobEnd(app.db, job)
  assert.equal((await returnedOf(app, job))[0]?.revised, '')
})

async function returnedOf({ db }: TestApp, job: string) {
  const { rows } = await db.pool.query<{ token: string; returned: object; revised: string }>(
    'select token, returned, revised_prompt as revised from pictures where job_id = $1 order by position',
    [job],
  )
  return rows
}
