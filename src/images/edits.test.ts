import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { groupIds } from '../mock/groups.ts'
import { pasteMasked, rectangleMask, shareChangedOutside } from '../pixels/mask.ts'
import type { Page } from '../testing/browser.ts'
import { ask, jobEnd, jobRow } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const size = { width: 1024, height: 1024 }
const area = { x: 200, y: 300, width: 400, height: 300 }

test('a rectangle by numbers becomes a mask of the same size, goes along as a file and comes back on retry', async () => {
  const { person, token } = await withReference()
  const answer = await person.post('/images/masks', { reference: token, ...texts(area) })
  assert.equal(answer.location, '/images')
  const page = await person.get('/images')
  const maskId = page.html.querySelector('input[name=mask]')!.getAttribute('value')!
  const mask = await person.get(`/images/masks/${maskId}`)
  assert.deepEqual([mask.status, mask.headers['content-type']], [200, 'image/png'])
  const { data, info } = await sharp(mask.body).raw().toBuffer({ resolveWithObject: true })
  assert.deepEqual([info.width, info.height, info.channels], [1024, 1024, 4])
  const alphaAt = (x: number, y: number) => data[(y * 1024 + x) * 4 + 3]
  assert.deepEqual([alphaAt(199, 300), alphaAt(200, 300), alphaAt(599, 599), alphaAt(600, 600)], [255, 0, 0, 255])

  app.mock.control.fault({ reply: 'upstream_failed', match: { prompt: 'paint it green' } })
  const id = await ask(person, 'paint it green', { reference: token, mask: maskId })
  assert.equal((await jobEnd(app.db, id)).state, 'failed')
  const again = await person.post(`/images/${id}/retry`)
  const retried = again.location.split('/').at(-1)!
  await jobEnd(app.db, retried)
  const calls = app.mock.control.calls({ prompt: 'paint it green' })
  assert.deepEqual(
    calls.map(call => [call.path, call.inputs, call.hasMask]),
    [
      ['/v1/images/edits', 1, true],
      ['/v1/images/edits', 1, true],
    ],
  )
  assert.match((await person.get(`/images/${retried}`)).text, new RegExp(`/images/masks/${maskId}`))
  const reused = await person.get(`/images?from=${retried}`)
  assert.equal(reused.html.querySelector('input[name=mask]')!.getAttribute('value'), maskId)
})

test('an edit is not streamed, and costs what was quoted on an account that bills streamed edits by tokens', async () => {
  const { person, token } = await withReference()
  const key = app.mock.control.addKey(person.email, { group_id: groupIds.studio })
  await person.post('/account/key', { key_id: String(key.id) })
  const id = await ask(person, 'by picture', { reference: token, size: '1024x1024' })
  const row = await until('the cost', async () => {
    const job = await jobEnd(app.db, id)
    return job.cost !== null && job
  })
  assert.deepEqual([row.cost, row.estimate?.toFixed(6)], [0.08, '0.080000'])
  const [call] = app.mock.control.calls({ prompt: 'by picture' })
  assert.deepEqual([call!.path, call!.stream], ['/v1/images/edits', false])
})

test('an upload that the gateway cut short because it is too large has charged nothing, however that is heard', async () => {
  const { person, token } = await withReference()
  const { length } = await readFile(path.join(app.config.dataDirectory, 'assets', token.slice(0, 2), token))
  app.mock.control.set({ bodyLimitBytes: Math.floor(length / 2) })
  const ids: string[] = []
  for (let run = 0; run < 6; run++) ids.push(await ask(person, `too large, run ${run}`, { reference: token }))
  const rows = await Promise.all(ids.map(id => jobEnd(app.db, id)))
  app.mock.control.set({ bodyLimitBytes: 256 * 1024 * 1024 })
  assert.deepEqual(new Set(rows.map(row => `${row.state}, charged: ${row.charged}`)), new Set(['failed, charged: no']))
})

test('a reference that breaks off while it is sent costs nothing: the edit is asked for when it can be read again', async () => {
  const { person, token } = await withReference()
  const file = path.join(app.config.dataDirectory, 'assets', token.slice(0, 2), token)
  const whole = await readFile(file)
  await writeFile(file, whole.subarray(0, whole.length - 1))
  const id = await ask(person, 'read in full', { reference: token })
  const waiting = await until('it to wait', async () => {
    const row = await jobRow(app.db, id)
    return row.state === 'queued' && row.notBefore && row
  })
  assert.deepEqual([waiting.calledAt, waiting.charged], [null, null])
  await writeFile(file, whole)
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  assert.equal(app.mock.control.calls({ prompt: 'read in full' }).length, 1)
})

test('a painted mask is kept by its alpha alone; what is none is refused with a sentence', async () => {
  const { person, token } = await withReference()
  const painted = await rectangleMask(size, area, null)
  const colourful = await sharp(painted).linear([1, 1, 1, 1], [200, 100, 50, 0]).png().toBuffer()
  const answer = await person.upload('/images/masks', [['m.png', colourful]], { reference: token }, { htmx: true })
  assert.deepEqual([answer.status, answer.headers['hx-redirect']], [204, '/images'])
  const maskId = (await person.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const kept = await sharp((await person.get(`/images/masks/${maskId}`)).body)
    .raw()
    .toBuffer()
  assert.deepEqual([...kept.subarray(0, 4)], [0, 0, 0, 255])

  const more = await person.post('/images/masks', {
    reference: token,
    base: maskId,
    ...texts({ x: 0, y: 0, width: 10, height: 10 }),
  })
  assert.equal(more.status, 303)
  const both = await person.get('/images')
  const union = await person.get(both.html.querySelector('.mask-thumb')!.getAttribute('src')!)
  const alpha = await sharp(union.body).extractChannel('alpha').raw().toBuffer()
  assert.deepEqual([alpha[0], alpha[300 * 1024 + 200], alpha[1024 * 1024 - 1]], [0, 0, 255])

  const wrong: [Buffer, RegExp][] = [
    [await sharp(painted).resize(512, 512).png().toBuffer(), /exactly the size of the picture: 1024 × 1024/],
    [await sharp(painted).removeAlpha().png().toBuffer(), /no transparency/],
    [await sharp(painted).ensureAlpha().linear([1, 1, 1, 0], [0, 0, 0, 255]).png().toBuffer(), /Nothing is painted/],
    [await sharp(painted).webp().toBuffer(), /must be a PNG/],
    [painted.subarray(0, 900), /must be a PNG/],
  ]
  for (const [file, sentence] of wrong) {
    const refused = await person.upload('/images/masks', [['m.png', file]], { reference: token }, { htmx: true })
    assert.equal(refused.status, 422)
    assert.match(refused.html.textContent, sentence)
  }
  for (const bad of [{ x: '1000' }, { width: '0' }, { height: '-5' }, { y: '1.5' }, { width: '' }]) {
    const refused = await person.post('/images/masks', { reference: token, ...texts(area), ...bad })
    assert.equal(refused.status, 422)
    assert.match(refused.html.querySelector('#mask-error')!.textContent, /whole numbers that lie within the picture/)
  }
})

test('a mask of another size than the first reference is refused before anything is sent', async () => {
  const { person, token } = await withReference()
  await person.post('/images/masks', { reference: token, ...texts(area) })
  const maskId = (await person.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const other = await sharp({ create: { width: 700, height: 900, channels: 3, background: '#fed' } })
    .png()
    .toBuffer()
  const [otherToken] = references(await person.upload('/images/references', [['o.png', other]], {}, { htmx: true }))
  const refused = await person.post('/images', { prompt: 'wrong mask', reference: otherToken!, mask: maskId })
  assert.equal(refused.status, 422)
  assert.match(refused.text, /as large as the first reference: 700 × 900/)
  assert.deepEqual(app.mock.control.calls({ prompt: 'wrong mask' }), [])
})

test('over a picture larger than any browser draws, the mask is painted smaller and kept at the full size', async () => {
  const person = await alice(app)
  const photo = await sharp({ create: { width: 6000, height: 4000, channels: 3, background: '#9ab' } })
    .jpeg()
    .toBuffer()
  const [token] = references(await person.upload('/images/references', [['p.jpg', photo]], {}, { htmx: true }))
  const editor = (await person.get(`/images/masks/new?reference=${token}`)).html.querySelector('#mask-editor')!
  const painted = {
    width: Number(editor.getAttribute('data-width')),
    height: Number(editor.getAttribute('data-height')),
  }
  assert.ok(painted.width * painted.height <= 16_777_216)
  assert.ok(Math.abs(painted.width / painted.height - 1.5) < 0.001)
  const half = { x: 0, y: 0, width: Math.floor(painted.width / 2), height: painted.height }
  const file = await rectangleMask(painted, half, null)
  const answer = await person.upload('/images/masks', [['m.png', file]], { reference: token! }, { htmx: true })
  assert.equal(answer.status, 204)
  const shown = await person.get(answer.headers['hx-redirect']!)
  const kept = await person.get(shown.html.querySelector('.mask-thumb')!.getAttribute('src')!)
  const alpha = sharp(kept.body).extractChannel('alpha')
  const { data, info } = await alpha.raw().toBuffer({ resolveWithObject: true })
  assert.deepEqual([info.width, info.height], [6000, 4000])
  assert.deepEqual([data[0], data[2998], data[3002], data.at(-1)], [0, 0, 255, 255])

  const other = await rectangleMask({ width: 3000, height: 2000 }, { x: 0, y: 0, width: 10, height: 10 }, null)
  const refused = await person.upload('/images/masks', [['m.png', other]], { reference: token! }, { htmx: true })
  assert.equal(refused.status, 422)
})

test('how much changed outside the mask is measured, and the masked area can be pasted into the untouched original', async () => {
  const { person, token, made } = await withReference()
  await person.post('/images/masks', { reference: token, ...texts(area) })
  const maskId = (await person.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const id = await ask(person, 'make it red', { reference: token, mask: maskId })
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  const share = await until('the measurement', async () => {
    const { rows } = await app.db.pool.query('select changed_outside as share from pictures where job_id = $1', [id])
    return rows[0].share !== null && (rows as { share: number }[])
  })
  // The mock signs its edits at the top, outside the mask: a little, not most of it.
  assert.ok(share[0]!.share > 0 && share[0]!.share < 0.3, String(share[0]!.share))

  const page = await person.get(`/images/${id}`)
  const form = page.html.querySelector('form[action$="/keep-masked"]')!
  const result = form.getAttribute('action')!.split('/')[3]!
  const composed = await person.post(form.getAttribute('action')!)
  assert.equal(composed.status, 303)
  const shown = await person.get(composed.location)
  const bytes = await person.get(shown.html.querySelector('.original')!.getAttribute('href')!)
  const before = await sharp((await person.get(`/files/${token}`)).body)
    .removeAlpha()
    .raw()
    .toBuffer()
  const after = await sharp(bytes.body).removeAlpha().raw().toBuffer()
  assert.equal(after.length, before.length)
  let outside = 0
  let inside = 0
  for (let at = 0; at < before.length; at++) {
    if (before[at] === after[at]) continue
    const [x, y] = [Math.floor(at / 3) % 1024, Math.floor(at / 3 / 1024)]
    if (x >= area.x && x < area.x + area.width && y >= area.y && y < area.y + area.height) inside++
    else outside++
  }
  assert.equal(outside, 0, 'nothing outside the mask differs from the original')
  assert.ok(inside > 1000)

  // Once more is the same picture; out of the trash again; the originals stay.
  assert.equal((await person.post(`/images/pictures/${result}/keep-masked`)).location, composed.location)
  await person.post(`${composed.location}/delete`)
  assert.equal((await person.post(`/images/pictures/${result}/keep-masked`)).location, composed.location)
  assert.equal((await person.get(composed.location)).html.querySelectorAll('.deleted-note').length, 0)
  for (const picture of [result, made]) assert.equal((await person.get(`/library/${picture}`)).status, 200)

  // What came from what: the composed one from the result and the original, the result from the original.
  const relatives = (html: Page['html'], side: string) =>
    html.querySelectorAll(`.lineage-${side} li > a:first-child`).map(link => link.getAttribute('href')!.split('/')[2])
  assert.deepEqual(new Set(relatives(shown.html, 'ancestors')), new Set([result, made]))
  const source = await person.get(`/library/${made}`)
  assert.deepEqual(new Set(relatives(source.html, 'descendants')), new Set([result, composed.location.split('/')[2]]))
  assert.deepEqual(relatives(source.html, 'ancestors'), [])
  const compared = await person.get(`/library/compare?a=${made}&b=${result}`)
  assert.equal(compared.html.querySelectorAll('#compare img').length, 2)
})

test('a mask over a wide picture brings the size of its proportions and says so, so that the two can be laid over each other', async () => {
  const person = await alice(app)
  const wide = await sharp({ create: { width: 900, height: 600, channels: 3, background: '#fed' } })
    .png()
    .toBuffer()
  const [token] = references(await person.upload('/images/references', [['w.png', wide]], {}, { htmx: true }))
  const mask = { reference: token!, ...texts({ x: 0, y: 0, width: 90, height: 60 }) }
  const page = await person.get((await person.post('/images/masks', mask)).location)
  assert.match(page.html.querySelector('#size-why')!.text, /The size follows the picture/)
  assert.equal((await person.post('/images/masks', mask)).location, '/images', 'it has the shape by now')
  assert.equal(page.html.querySelector('[name=size] option[selected]')!.getAttribute('value'), '1536x1024')

  // None that is offered has its proportions: one as large as the chosen that has.
  const odd = await sharp({ create: { width: 1000, height: 900, channels: 3, background: '#fed' } })
    .png()
    .toBuffer()
  const [oddToken] = references(await person.upload('/images/references', [['o.png', odd]], {}, { htmx: true }))
  await person.post('/images/draft', { prompt: '', size: '1024x1024', reference: oddToken! })
  await person.post('/images/masks', { reference: oddToken!, ...texts({ x: 0, y: 0, width: 90, height: 60 }) })
  const own = (await person.get('/images')).html
  const [width, height] = ['width', 'height'].map(name =>
    Number(own.querySelector(`[name=${name}]`)!.getAttribute('value')),
  )
  assert.deepEqual([width! % 16, height! % 16], [0, 0])
  assert.ok(Math.abs(width! / height! - 10 / 9) < 0.03, `${width} × ${height}`)
})

test("charlie cannot see alice's mask, paint on her picture, compose, compare or use her mask", async () => {
  const { person, token, made } = await withReference()
  await person.post('/images/masks', { reference: token, ...texts(area) })
  const maskId = (await person.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const stranger = await charlie(app)
  const own = await makePicture(app, stranger, 'of charlie himself')
  const refused = await Promise.all([
    stranger.get(`/images/masks/${maskId}`),
    stranger.get(`/images/masks/new?reference=${token}`),
    stranger.post('/images/masks', { reference: token, ...texts(area) }),
    stranger.post(`/images/pictures/${made}/keep-masked`),
    stranger.get(`/library/compare?a=${made}&b=${own.id}`),
    stranger.get(`/library/compare?a=${own.id}&b=${made}`),
    stranger.get('/images/masks/none'),
  ])
  assert.deepEqual(
    refused.map(answer => answer.status),
    refused.map(() => 404),
  )
  const used = await stranger.post('/images', { prompt: 'her mask', reference: own.token, mask: maskId })
  assert.equal(used.status, 422)
  const painted = await stranger.get(`/images/masks/new?reference=${own.token}&mask=${maskId}`)
  assert.equal(painted.html.querySelectorAll('.mask-over').length, 0)
  const { rows } = await app.db.pool.query(
    'select count(*)::int as masks from image_masks where user_id in (select user_id from image_masks where id = $1)',
    [maskId],
  )
  assert.deepEqual(rows, [{ masks: 1 }])
})

test('nothing is pasted where there was no mask, or where the proportions differ', async () => {
  const { person, made, token } = await withReference()
  const without = await person.post(`/images/pictures/${made}/keep-masked`)
  assert.equal(without.status, 409)
  await person.post('/images/masks', { reference: token, ...texts(area) })
  const maskId = (await person.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const id = await ask(person, 'wide now', { reference: token, mask: maskId, size: '1536x1024' })
  await jobEnd(app.db, id)
  assert.match(
    (await person.get(`/images/${id}`)).html.querySelector('.other-shape')!.textContent,
    /cannot be measured/,
  )
  const { rows } = await app.db.pool.query<{ id: string }>('select id from pictures where job_id = $1', [id])
  const refused = await person.post(`/images/pictures/${rows[0]!.id}/keep-masked`)
  assert.equal(refused.status, 409)
  assert.match(refused.text, /other proportions/)
})

test('what changed outside is told apart from noise, and from the masked area itself', async () => {
  const original = await noise('#446688')
  const mask = await rectangleMask(size, area, null)
  const patch = (x: number, y: number, edge: number) =>
    sharp(original)
      .composite([
        { input: { create: { width: edge, height: edge, channels: 3, background: '#f00' } }, left: x, top: y },
      ])
      .png()
      .toBuffer()
  assert.equal(await shareChangedOutside(original, original, mask), 0)
  assert.equal(await shareChangedOutside(original, await noise('#446688'), mask), 0)
  assert.equal(await shareChangedOutside(original, await patch(300, 400, 200), mask), 0)
  const outside = 1024 * 1024 - (400 + 30) * (300 + 30)
  const share = await shareChangedOutside(original, await patch(700, 700, 200), mask)
  assert.ok(Math.abs(share! - (200 * 200) / outside) < 0.01, String(share))
  const everything = await sharp({ create: { ...size, channels: 3, background: '#fff' } })
    .jpeg()
    .toBuffer()
  assert.equal(await shareChangedOutside(original, everything, mask), 1)
  const wide = await sharp(original).resize(1024, 512, { fit: 'fill' }).png().toBuffer()
  assert.equal(await shareChangedOutside(original, wide, mask), null)
})

test('pasting keeps transparency and every kind of original', async () => {
  const mask = await rectangleMask({ width: 300, height: 200 }, { x: 50, y: 50, width: 100, height: 100 }, null)
  const result = await sharp({ create: { width: 600, height: 400, channels: 3, background: '#f00' } })
    .webp()
    .toBuffer()
  const small = { width: 300, height: 200 } as const
  const glass = { ...small, channels: 4, background: { r: 10, g: 20, b: 30, alpha: 0.5 } } as const
  const grey = await sharp({ create: { ...small, channels: 3, background: '#888' } })
    .toColourspace('b-w')
    .png()
    .toBuffer()
  for (const original of [await sharp({ create: glass }).png().toBuffer(), grey]) {
    const pasted = await sharp(await pasteMasked(original, result, mask))
      .raw()
      .toBuffer({ resolveWithObject: true })
    const { channels } = pasted.info
    const at = (x: number, y: number) => [
      ...pasted.data.subarray((y * 300 + x) * channels, (y * 300 + x + 1) * channels),
    ]
    const [red, green, blue] = at(100, 100)
    assert.ok(red! > 250 && green! < 5 && blue! < 5, String(at(100, 100)))
    assert.deepEqual(at(250, 150), channels === 4 ? [10, 20, 30, 128] : [136, 136, 136])
  }
})

async function withReference(): Promise<{ person: Person; token: string; made: string }> {
  const person = await alice(app)
  const made = await makePicture(app, person, 'a room with a window')
  return { person, token: made.token, made: made.id }
}

function texts<T extends Record<string, number>>(numbers: T): { [K in keyof T]: string } {
  return Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, String(value)])) as {
    [K in keyof T]: string
  }
}

function references(page: Page): string[] {
  return page.html.querySelectorAll('input[name=reference]').map(input => input.getAttribute('value')!)
}

function noise(background: string): Promise<Buffer> {
  const grain = { type: 'gaussian', mean: 128, sigma: 6 } as const
  return sharp({ create: { ...size, channels: 3, background, noise: grain } })
    .png()
    .toBuffer()
}
