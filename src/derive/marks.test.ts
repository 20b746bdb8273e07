import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { bring } from '../testing/brought.ts'
import { alice } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const grey = () =>
  sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#808080' } })
    .png()
    .toBuffer()

const circle = { kind1: 'circle', x1: '100', y1: '100', tx1: '300', ty1: '200', words1: 'make it a boat' }
const arrow = { kind2: 'arrow', x2: '600', y2: '600', tx2: '800', ty2: '600', words2: '去掉这个' }

test('marks are drawn on a copy that goes along, and the model is told where they are and to leave them out', async () => {
  const person = await alice(app)
  const original = await grey()
  const { a } = await bring(app, person, { a: original })
  const answer = await person.post(`/derive/${a!.id}/marks`, {
    ...circle,
    ...arrow,
  })
  assert.equal(answer.location, '/images', answer.text.slice(0, 300))
  const create = await person.get('/images')
  const prompt = create.html.querySelector('#prompt')!.text
  assert.match(
    prompt,
    /none of the marks[\s\S]*- Where the red circle is: make it a boat\n- Where the blue arrow points: 去掉这个/,
  )
  const [first, second] = create.html
    .querySelectorAll('#composer [name="reference"]')
    .map(field => field.getAttribute('value')!)
  assert.equal(first, a!.token)
  assert.ok((await person.get(`/files/${first}`)).body.equals(original))
  const { data } = await sharp((await person.get(`/files/${second}`)).body)
    .raw()
    .toBuffer({ resolveWithObject: true })
  const at = (x: number, y: number) => `#${data.subarray((y * 1024 + x) * 3, (y * 1024 + x) * 3 + 3).toString('hex')}`
  assert.deepEqual(
    [at(100, 150), at(200, 100), at(300, 150), at(200, 150), at(120, 110)],
    ['#e6194b', '#e6194b', '#e6194b', '#808080', '#808080'],
  )
  assert.deepEqual([at(700, 600), at(800, 600), at(700, 620)], ['#1e5bff', '#1e5bff', '#808080'])
  assert.ok((await person.get('/library?kind=uploaded')).text.includes(second!))
  assert.equal(app.mock.control.calls({ email: person.email, path: '/v1/images/edits' }).length, 0)
})

test('what is missing of a mark is said, and what was typed stays', async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await grey() })
  for (const [fields, sentence] of [
    [{ words1: 'a boat' }, /no kind/],
    [{ words1: 'a boat', kind1: 'dot', x1: '2000', y1: '1' }, /within the picture/],
    [{ words1: '', kind1: 'dot', x1: '1', y1: '1' }, /Say what/],
    [{ words1: 'b'.repeat(501), kind1: 'dot', x1: '1', y1: '1' }, /at most 500/],
    [{ words1: '' }, /no mark yet/],
  ] as const) {
    const answer = await person.post(`/derive/${a!.id}/marks`, fields)
    assert.equal(answer.status, 422)
    assert.match(answer.html.querySelector('#marks-error')!.text, sentence)
    assert.equal(answer.html.querySelector('[name="words1"]')!.getAttribute('value'), fields.words1)
  }
})
