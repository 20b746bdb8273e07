import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { bring } from '../testing/brought.ts'
import { alice, charlie } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const flat = (background: string) =>
  sharp({ create: { width: 300, height: 200, channels: 3, background } })
    .png()
    .toBuffer()

test('what is selected becomes a contact sheet: a PNG as long as it needs, or a PDF whose pages are pictures', async () => {
  const person = await alice(app)
  const colors = ['#ff0000', '#00ff00', '#0000ff', '#ffff00', '#00ffff']
  const files = Object.fromEntries(
    await Promise.all(colors.map(async (color, at) => [`港口 <${at}> & more`, await flat(color)])),
  )
  const brought = await bring(app, person, files)
  const id = Object.values(brought)
    .map(({ id }) => id)
    .join(',')
  const page = await person.post('/derive/sheet', { id, back: '/library?q=a' })
  assert.match(page.text, /5 pictures, small/)
  assert.equal(page.html.querySelector('.crumbs a')!.getAttribute('href'), '/library?q=a')
  const listed = page.html.querySelector('[name="id"]')!.getAttribute('value')!
  assert.deepEqual(listed.split(',').toSorted(), id.split(',').toSorted())

  const fields = { id: listed, columns: '3', captions: 'on', order: 'oldest' }
  const png = await person.post('/derive/sheet/file', { ...fields, format: 'png' })
  assert.deepEqual([png.status, png.headers['content-type']], [200, 'image/png'])
  assert.match(png.headers['content-disposition']!, /^attachment; filename=contact-sheet-[\d-]+\.png$/)
  const { data, info } = await sharp(png.body).raw().toBuffer({ resolveWithObject: true })
  assert.equal(info.width, 1654)
  const at = (x: number, y: number) =>
    `#${data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3).toString('hex')}`
  const shown = new Set<string>()
  for (let y = 0; y < info.height; y += 10) for (let x = 0; x < info.width; x += 10) shown.add(at(x, y))
  for (const color of colors)
    assert.ok(
      [...shown].some(each => distance(each, color) < 30),
      color,
    )
  // Captions are black, and only asked for.
  const isDark = (buffer: Buffer) =>
    buffer.some((value, place) => value < 60 && buffer[place + 1]! < 60 && buffer[place + 2]! < 60 && place % 3 === 0)
  assert.equal(isDark(data), true)
  const bare = await person.post('/derive/sheet/file', { id: listed, columns: '3', format: 'png' })
  assert.equal(isDark(await sharp(bare.body).raw().toBuffer()), false)

  const pdf = await person.post('/derive/sheet/file', { ...fields, columns: '6', format: 'pdf' })
  assert.deepEqual([pdf.status, pdf.headers['content-type']], [200, 'application/pdf'])
  const text = pdf.body.toString('latin1')
  assert.match(text, /^%PDF-1\.4\n[\s\S]*\/Count 1 [\s\S]*%%EOF\n$/)
  const start = Number(/startxref\n(\d+)/.exec(text)![1])
  assert.equal(text.slice(start, start + 4), 'xref')
  for (const [index, [, offset]] of [...text.slice(start).matchAll(/^(\d{10}) 00000 n/gm)].entries()) {
    assert.ok(text.slice(Number(offset)).startsWith(`${index + 1} 0 obj\n`), `object ${index + 1}`)
  }
  const jpeg = pdf.body.subarray(text.indexOf('stream\n', text.indexOf('/DCTDecode')) + 7)
  assert.deepEqual([(await sharp(jpeg, { failOn: 'none' }).metadata()).width, jpeg[0], jpeg[1]], [1654, 0xff, 0xd8])
})

test('a sheet has pictures of its owner only, at least one, and no more than it takes', async () => {
  const [person, stranger] = [await alice(app), await charlie(app)]
  const { a } = await bring(app, person, { a: await flat('#123456') })
  for (const path of ['/derive/sheet', '/derive/sheet/file']) {
    assert.equal((await stranger.post(path, { id: a!.id })).status, 422)
    assert.equal((await person.post(path, {})).status, 422)
    const many = Array.from({ length: 301 }, (_, at) => a!.id.slice(0, -3) + String(at).padStart(3, '0'))
    const answer = await person.post(path, { id: many.join(',') })
    assert.deepEqual([answer.status, /301 pictures are too many/.test(answer.text)], [422, true])
  }
})

function distance(a: string, b: string): number {
  const levels = (color: string) => Buffer.from(color.slice(1), 'hex')
  return Math.max(...levels(a).map((level, at) => Math.abs(level - levels(b)[at]!)))
}
