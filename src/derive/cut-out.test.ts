import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { bring } from '../testing/brought.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const SIZE = 80
type Paint = (x: number, y: number) => readonly number[]

function drawn(paint: Paint): Promise<Buffer> {
  const data = Buffer.alloc(SIZE * SIZE * 3)
  for (let at = 0; at < SIZE * SIZE; at++) data.set(paint(at % SIZE, Math.floor(at / SIZE)), at * 3)
  return sharp(data, { raw: { width: SIZE, height: SIZE, channels: 3 } })
    .png()
    .toBuffer()
}

const GREEN = [20, 240, 30]
const RED = [200, 40, 60]
/** A red disc, its edge mixed with the green that it stands before, and a green spot in its middle. */
function disc(x: number, y: number): readonly number[] {
  const away = Math.hypot(x - 40, y - 40)
  if (away < 6) return GREEN
  const share = Math.min(1, Math.max(0, 25.5 - away))
  return RED.map((level, at) => Math.round(level * share + GREEN[at]! * (1 - share)))
}

async function cut(person: Person, id: string, fields: Record<string, string> = {}) {
  const answer = await person.post(`/derive/${id}/cut-out`, fields)
  assert.equal(answer.status, 303, answer.text.slice(0, 300))
  const page = await person.get(answer.location)
  const address = page.html.querySelector('.original')!.getAttribute('href')!
  const { data, info } = await sharp((await person.get(address)).body)
    .raw()
    .toBuffer({ resolveWithObject: true })
  assert.equal(info.channels, 4)
  return { at: (x: number, y: number) => [...data.subarray((y * SIZE + x) * 4, (y * SIZE + x) * 4 + 4)], page, address }
}

test('an even background becomes transparent; at its edge nothing of it shines through, and inside nothing is changed', async () => {
  const person = await alice(app)
  const original = await drawn(disc)
  const { a } = await bring(app, person, { a: original })
  const form = await person.get(`/derive/${a!.id}/cut-out`)
  assert.match(form.html.querySelector('#background.is-flat')!.text, /100 % of it is this colour/)
  const { at, page } = await cut(person, a!.id)
  assert.deepEqual([at(0, 0)[3], at(79, 40)[3], at(14, 40)[3]], [0, 0, 0])
  assert.deepEqual(at(40, 25), [...RED, 255])
  // Enclosed, and so a part of the subject unless it is said to be none.
  assert.deepEqual(at(40, 40), [...GREEN, 255])
  for (let x = 0; x < SIZE; x++) {
    const [red, green, , alpha] = at(x, 40) as [number, number, number, number]
    if (x < 34 && alpha > 40) assert.ok(green < 70 && red > 170, `${x}: ${at(x, 40).join()}`)
  }
  assert.match(page.text, /Derived<\/strong>[^<]*#14f01e[^<]*the edges should be clean/)
  assert.ok((await person.get(`/files/${a!.token}`)).body.equals(original))
  assert.equal((await cut(person, a!.id, { holes: 'on' })).at(40, 40)[3], 0)
})

test('a background that is none is called so, before and after', async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await drawn((x, y) => [(x * 3) % 256, (y * 3) % 256, 90]) })
  assert.match(
    (await person.get(`/derive/${a!.id}/cut-out`)).html.querySelector('#background.is-none')!.text,
    /no even background/,
  )
  assert.match((await cut(person, a!.id)).page.text, /probably wrong/)
})

test('numbers that cannot be meant are said, and so is that nothing would be left', async () => {
  const person = await alice(app)
  const { a, empty } = await bring(app, person, { a: await drawn(disc), empty: await drawn(() => GREEN) })
  for (const fields of [{ tolerance: '61' }, { tolerance: '12', feather: '-1' }, { tolerance: 'much' }]) {
    const answer = await person.post(`/derive/${a!.id}/cut-out`, fields)
    assert.equal(answer.status, 422)
    assert.match(answer.html.querySelector('#cut-out-error')!.text, /up to 60/)
    assert.equal(answer.html.querySelector('[name="tolerance"]')!.getAttribute('value'), fields.tolerance)
  }
  const answer = await person.post(`/derive/${empty!.id}/cut-out`)
  assert.deepEqual([answer.status, /Nothing would be left/.test(answer.text)], [422, true])
})

test('an even background is asked for in Create, where it has a price; what was typed there is put aside, nothing is paid', async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await drawn(disc) })
  await person.post('/images/draft', {
    prompt: 'words that nobody has sent',
    draft: '5f0f0f0f-0f0f-4f0f-8f0f-0f0f0f0f0f0f',
  })
  const answer = await person.post(`/derive/${a!.id}/cut-out/ask`)
  assert.equal(answer.location, '/images')
  const create = await person.get('/images')
  assert.match(create.html.querySelector('#prompt')!.text, /one even, flat colour, #(ff00ff|0000ff)/)
  assert.equal(create.html.querySelector('[name="reference"]')!.getAttribute('value'), a!.token)
  assert.match(create.text, /words that nobody has sent/)
  assert.equal(app.mock.control.calls({ email: person.email, path: '/v1/images/edits' }).length, 0)
})
