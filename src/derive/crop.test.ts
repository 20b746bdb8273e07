import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { type Brought, bring } from '../testing/brought.ts'
import { alice, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

/** So many pixels across and down, each of a colour of its own: red counts columns, green rows. */
async function grid(width: number, height: number, { alpha = false } = {}) {
  const channels = alpha ? 4 : 3
  const data = Buffer.alloc(width * height * channels)
  for (let at = 0; at < width * height; at++) {
    data.set([(at % width) * 10, Math.floor(at / width) * 10, 200, ...(alpha ? [128] : [])], at * channels)
  }
  return sharp(data, { raw: { width, height, channels } })
}

/** The columns and rows of the original that the first row of a picture shows. */
async function firstRow(person: Person, id: string) {
  const { token } = await rowOf(id)
  const picture = sharp((await person.get(`/files/${token}`)).body)
  const { data, info } = await picture.raw().toBuffer({ resolveWithObject: true })
  const pixel = (at: number) => [data[at * info.channels]! / 10, data[at * info.channels + 1]! / 10]
  return { size: [info.width, info.height], row: Array.from({ length: info.width }, (_, at) => pixel(at)), info }
}

async function rowOf(id: string) {
  const { rows } = await app.db.pool.query<{
    token: string
    source_tokens: string[]
    prompt: string
    folder_id: string
  }>('select token, source_tokens, prompt, folder_id from pictures where id = $1', [id])
  return rows[0]!
}

async function cropped(person: Person, { id }: Brought, fields: Record<string, string>): Promise<string> {
  const answer = await person.post(`/derive/${id}/crop`, fields)
  assert.equal(answer.status, 303, answer.text.slice(0, 500))
  return answer.location.slice('/library/'.length)
}

const area = { x: '1', y: '2', width: '3', height: '2' }

test('an area is cut out, then turned, then mirrored: pixel by pixel, as a picture of its own beside the original', async () => {
  const person = await alice(app)
  const original = await (await grid(6, 5)).png().toBuffer()
  const { 'a.png': picture } = await bring(app, person, { 'a.png': original })
  const shown: Record<string, number[][]> = {
    '0': [
      [1, 2],
      [2, 2],
      [3, 2],
    ],
    '90': [
      [1, 3],
      [1, 2],
    ],
    '180': [
      [3, 3],
      [2, 3],
      [1, 3],
    ],
    '270': [
      [3, 2],
      [3, 3],
    ],
  }
  for (const [turn, row] of Object.entries(shown)) {
    const id = await cropped(person, picture!, { ...area, turn })
    assert.deepEqual((await firstRow(person, id)).row, row, turn)
    const mirrored = await cropped(person, picture!, { ...area, turn, mirror: 'on' })
    assert.deepEqual((await firstRow(person, mirrored)).row, row.toReversed(), `${turn}, mirrored`)
  }
  assert.ok((await person.get(`/files/${picture!.token}`)).body.equals(original))
  const page = await person.get(`/library/${await cropped(person, picture!, { ...area, turn: '90' })}`)
  assert.match(page.text, /Derived<\/strong>[^<]*3 × 2 from 1, 2; rotated by 90°; not mirrored/)
  assert.equal(page.html.querySelector('.lineage-ancestors a')!.getAttribute('href'), `/library/${picture!.id}`)
  const { rows } = await app.db.pool.query('select from receipts r join users u on u.id = r.user_id where email = $1', [
    person.email,
  ])
  assert.equal(rows.length, 0)
})

test('it has the prompt, folder and tags of the original; asked for again it is the same one, out of the trash', async () => {
  const person = await alice(app)
  const { 'boats at dusk': picture } = await bring(app, person, {
    'boats at dusk': await (await grid(6, 5)).png().toBuffer(),
  })
  await person.post(`/library/${picture!.id}/details`, { folder: 'Harbour', tags: 'night' })
  const id = await cropped(person, picture!, area)
  assert.deepEqual(
    { ...(await rowOf(id)), token: '' },
    { ...(await rowOf(picture!.id)), token: '', source_tokens: [picture!.token] },
  )
  await person.post(`/library/${id}/delete`)
  assert.equal(await cropped(person, picture!, area), id)
  const list = await person.get('/library?q=boats+tag:night')
  assert.match((await person.get('/library?kind=composed')).text, new RegExp(id))
  assert.equal(list.status, 200)
})

test('it is cut as it is shown: upright whatever a camera says, with its transparency, grey or not', async () => {
  const person = await alice(app)
  const brought = await bring(app, person, {
    turned: await (await grid(6, 5)).withMetadata({ orientation: 6 }).png().toBuffer(),
    clear: await (await grid(6, 5, { alpha: true })).webp({ lossless: true }).toBuffer(),
    grey: await (await grid(6, 5)).greyscale().png().toBuffer(),
  })
  // Shown with its left edge on top: 5 × 6.
  const turned = await firstRow(person, await cropped(person, brought.turned!, { ...area, width: '2' }))
  assert.deepEqual(turned.row, [
    [2, 3],
    [2, 2],
  ])
  const clear = await firstRow(person, await cropped(person, brought.clear!, area))
  assert.deepEqual([clear.info.channels, clear.row.length], [4, 3])
  const grey = await firstRow(person, await cropped(person, brought.grey!, area))
  assert.deepEqual(grey.size, [3, 2])
})

test('a ratio takes the largest part of the area about its middle', async () => {
  const person = await alice(app)
  const { a } = await bring(app, person, { a: await (await grid(12, 4)).png().toBuffer() })
  const id = await cropped(person, a!, { x: '0', y: '0', width: '12', height: '4', ratio: '1:1' })
  assert.deepEqual((await firstRow(person, id)).row, [
    [4, 0],
    [5, 0],
    [6, 0],
    [7, 0],
  ])
})

test('what cannot be done is said beside what was typed: an area outside, no change, an animation, no room', async () => {
  const person = await alice(app)
  const frames = await (await grid(6, 10)).raw().toBuffer()
  const { a, moving } = await bring(app, person, {
    a: await (await grid(6, 5)).png().toBuffer(),
    moving: await sharp(frames, { raw: { width: 6, height: 10, channels: 3, pageHeight: 5 } })
      .webp()
      .toBuffer(),
  })
  for (const [fields, sentence] of [
    [{ ...area, x: '4' }, /6 × 5/],
    [{ ...area, width: '0' }, /6 × 5/],
    [{ ...area, height: 'tall' }, /6 × 5/],
    [{ x: '0', y: '0', width: '6', height: '5' }, /Nothing would change/],
  ] as const) {
    const answer = await person.post(`/derive/${a!.id}/crop`, fields)
    assert.equal(answer.status, 422)
    assert.match(answer.html.querySelector('#crop-error')!.text, sentence)
    assert.equal(answer.html.querySelector('[name="x"]')!.getAttribute('value'), fields.x)
  }
  const refused = await person.post(`/derive/${moving!.id}/crop`, area)
  assert.deepEqual([refused.status, /more than one picture/.test(refused.text)], [422, true])
  const { running, browser } = await app.another({ limits: { ...app.config.limits, storagePerUser: 1 } })
  const full = browser()
  await full.post('/login', { email: person.email, password: `password of ${person.email}` })
  assert.equal((await full.post(`/derive/${a!.id}/crop`, area)).status, 409)
  await running.stop()
})
