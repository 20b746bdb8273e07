import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { bring } from '../testing/brought.ts'
import { ask, jobEnd } from '../testing/jobs.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const red = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#f00' } })
    .png()
    .toBuffer()

/** What stands in Create after a picture was placed on a canvas. */
async function extended(person: Person, id: string, fields: Record<string, string>) {
  const answer = await person.post(`/derive/${id}/extend`, fields)
  assert.equal(answer.location, '/images', answer.text.slice(0, 300))
  const create = await person.get('/images')
  const value = (name: string) => create.html.querySelector(`#composer [name="${name}"]`)?.getAttribute('value') ?? ''
  const token = value('reference')
  const canvas = await sharp((await person.get(`/files/${token}`)).body)
    .raw()
    .toBuffer({ resolveWithObject: true })
  const mask = await sharp((await person.get(`/images/masks/${value('mask')}`)).body)
    .raw()
    .toBuffer({ resolveWithObject: true })
  assert.deepEqual([mask.info.width, mask.info.height], [canvas.info.width, canvas.info.height])
  const { width, height } = mask.info
  const kept = Array.from({ length: width * height }, (_, at) => at).filter(at => mask.data[at * 4 + 3] === 255)
  const xs = kept.map(at => at % width)
  const ys = kept.map(at => Math.floor(at / width))
  const least = (list: number[]) => list.reduce((a, b) => Math.min(a, b))
  const most = (list: number[]) => list.reduce((a, b) => Math.max(a, b))
  const area = { x: least(xs), y: least(ys), width: most(xs) - least(xs) + 1, height: most(ys) - least(ys) + 1 }
  return {
    create,
    token,
    mask: value('mask'),
    size: [width, height],
    area,
    isWhole: kept.length === area.width * area.height,
  }
}

test('a picture is placed on a larger canvas of a size that the model makes, all around it may change, and Create has the rest', async () => {
  const person = await alice(app)
  const { 'a quiet bay': picture } = await bring(app, person, { 'a quiet bay': await red(1024, 1024) })
  const found = await extended(person, picture!.id, { left: '256', right: '256' })
  assert.deepEqual(found.size, [1536, 1024])
  assert.deepEqual([found.area, found.isWhole], [{ x: 256, y: 0, width: 1024, height: 1024 }, true])
  assert.match(
    found.create.html.querySelector('#prompt')!.text,
    /Extend this picture beyond its edges[\s\S]*a quiet bay/,
  )
  assert.ok(
    found.create.html.querySelector('[name="size"][value="1536x1024"][checked], option[value="1536x1024"][selected]'),
  )
  assert.match(found.create.text, /\$0\.\d+/)
  assert.equal(app.mock.control.calls({ email: person.email, path: '/v1/images/edits' }).length, 0)
  assert.ok((await person.get('/library?kind=uploaded')).text.includes(found.token))
  assert.ok(!(await person.get('/library')).text.includes(found.token))

  const job = await ask(person, 'go on', { reference: found.token, mask: found.mask, size: '1536x1024' })
  assert.equal((await jobEnd(app.db, job)).state, 'done')
  const made = await person.get(
    `/library/${(await person.get(`/images/${job}`)).html.querySelector('[data-picture]')!.getAttribute('data-picture')}`,
  )
  const ancestors = made.html.querySelectorAll('.lineage-ancestors a[href]').map(link => link.getAttribute('href'))
  assert.ok(ancestors.includes(`/library/${picture!.id}`), 'the original is among what it came from')
})

test('a ratio is enough; what no model makes is asked for in the nearest size, with the picture in its place', async () => {
  const person = await alice(app)
  const brought = await bring(app, person, { small: await red(300, 200), large: await red(4000, 3000) })
  const square = await extended(person, brought.small!.id, { ratio: '1:1' })
  assert.equal(square.size[0], square.size[1])
  assert.ok(square.size[0]! * square.size[1]! >= 655_360)
  assert.ok(Math.abs(square.area.y - (square.size[1]! - square.area.height) / 2) <= 1)
  const wide = await extended(person, brought.large!.id, { ratio: '16:9', bottom: '0' })
  assert.ok(wide.size[0]! <= 3840 && wide.size.every(edge => edge % 16 === 0))
  assert.ok(Math.abs(wide.area.width / wide.area.height / (4 / 3) - 1) < 0.01)
})

test('what cannot be added is said beside what was typed', async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await red(1024, 1024) })
  for (const [fields, sentence] of [
    [{ left: '', top: '', ratio: '1:1' }, /Nothing would be added/],
    [{ left: '-1', top: '' }, /whole pixels/],
    [{ left: '4000', top: '' }, /3 times/],
  ] as const) {
    const answer = await person.post(`/derive/${a!.id}/extend`, fields)
    assert.equal(answer.status, 422)
    assert.match(answer.html.querySelector('#extend-error')!.text, sentence)
    assert.equal(answer.html.querySelector('[name="left"]')!.getAttribute('value'), fields.left)
  }
})
