import assert from 'node:assert/strict'
import { mkdtemp, readdir } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { z } from 'zod'
import { keepUpload } from '../library/uploads.ts'
import { createLog } from '../log.ts'
import { openStorage } from '../storage/storage.ts'
import type { Page } from '../testing/browser.ts'
import { houseOf } from '../testing/house.ts'
import { jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { keepHouse } from '../upkeep/hourly.ts'

let app: TestApp
before(async () => {
  // Of its own, so that what is left in it was left by these tests.
  process.env.TMPDIR = await mkdtemp(path.join(tmpdir(), 'playground-test-'))
  app = await testApp()
})

const MIB = 1024 ** 2

test('a file is taken at once, shown with its token, and is still there after a reload', async () => {
  const person = await alice(app)
  const answer = await person.upload('/images/references', [['cat.png', await png('#c33', 600, 400)]], {}, htmx)
  assert.equal(answer.status, 200)
  const [token] = tokens(answer)
  const page = await person.get('/images')
  assert.deepEqual(tokens(page), [token])
  const bytes = await person.get(`/files/${token}`)
  assert.deepEqual([bytes.status, bytes.headers['content-type']], [200, 'image/png'])
  assert.equal((await person.get(`/files/${token}/thumb`)).status, 200)
})

test('several files at once keep their order, and uploads side by side all stay in the draft', async () => {
  const person = await alice(app)
  const files: File[] = []
  for (const color of ['#111', '#222', '#333']) files.push([`${color}.png`, await png(color)])
  const answer = await person.upload('/images/references', files, {}, htmx)
  const [first, second, third] = tokens(answer)
  assert.deepEqual(await colors(person, [first!, second!, third!]), ['#111111', '#222222', '#333333'])
  await Promise.all(
    ['#444', '#555', '#666', '#777'].map(async color =>
      person.upload('/images/references', [[`${color}.png`, await png(color)]], {}, htmx),
    ),
  )
  const kept = tokens(await person.get('/images'))
  assert.equal(kept.length, 7)
  assert.deepEqual(kept.slice(0, 3), [first, second, third])
})

test('what is no usable picture is refused with its name and a reason, whatever it calls itself', async () => {
  const person = await alice(app)
  const whole = await png('#abc', 400, 300)
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
  const cases: [File, RegExp][] = [
    [['drawing.png', svg], /“drawing\.png” has a format that cannot be used/],
    [['film.png', Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1')], /has a format that cannot be used/],
    [['page.jpg', Buffer.from('<!doctype html><script>alert(1)</script>')], /“page\.jpg” is not a picture/],
    [['empty.png', Buffer.alloc(0)], /is not a picture/],
    [['half.png', whole.subarray(0, whole.length / 2)], /“half\.png” is damaged or incomplete/],
    [['bomb.png', bomb()], /more than 40 megapixels/],
    [['large.png', Buffer.concat([whole, Buffer.alloc(20 * MIB)])], /“large\.png” is larger than 20 MiB/],
    [['<b>名前.png', svg], /“<b>名前\.png”/],
  ]
  for (const [file, sentence] of cases) {
    const answer = await person.upload('/images/references', [file], {}, htmx)
    assert.equal(answer.status, 422, file[0])
    assert.match(answer.html.textContent, sentence)
    assert.doesNotMatch(answer.text, /<b>|<script/)
  }
  assert.deepEqual(tokens(await person.get('/images')), [])
})

test('a JPEG that lacks its end marker alone is taken, and made whole; half a JPEG is refused', async () => {
  const person = await alice(app)
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 30 }
  const photo = sharp({ create: { width: 320, height: 240, channels: 3, background: '#888', noise } }).jpeg()
  for (const bytes of [await photo.toBuffer(), await photo.withExif({ IFD0: { Artist: 'me' } }).toBuffer()]) {
    const answer = await person.upload('/images/references', [['no-end.jpg', bytes.subarray(0, -2)]], {}, htmx)
    assert.equal(answer.status, 200)
    const kept = (await person.get(`/files/${tokens(answer).at(-1)}`)).body
    assert.deepEqual([...kept.subarray(-2)], [0xff, 0xd9])
    assert.equal((await sharp(kept, { failOn: 'warning' }).toBuffer()).length > 0, true)
  }
  const half = await person.upload(
    '/images/references',
    [['half.jpg', (await photo.toBuffer()).subarray(0, 5000)]],
    {},
    htmx,
  )
  assert.equal(half.status, 422)
  assert.match(half.html.textContent, /“half\.jpg” is damaged or incomplete/)
})

test('one bad file among good ones is named and the others are kept, with and without JavaScript', async () => {
  const person = await alice(app)
  const files: File[] = [
    ['a.png', await png('#a00')],
    ['b.gif', Buffer.from('GIF89a')],
    ['c.png', await png('#00c')],
  ]
  const fragment = await person.upload('/images/references', files, {}, htmx)
  assert.equal(fragment.status, 200)
  assert.equal(tokens(fragment).length, 2)
  assert.equal(fragment.html.querySelectorAll('.refused-file').length, 1)

  const other = await alice(app)
  assert.equal((await other.upload('/images/references', files, { prompt: 'still here' })).location, '/images')
  const page = await other.get('/images')
  assert.match(page.html.querySelector('form .refused-file')!.textContent, /b\.gif/)
  assert.equal(page.html.querySelector('#prompt')!.textContent, 'still here')
  assert.equal(tokens(page).length, 2)
})

test('place, time and camera are gone from what is kept and sent, and the picture is upright', async () => {
  const person = await alice(app)
  const photo = await sharp({ create: { width: 320, height: 200, channels: 3, background: '#789' } })
    .withExif({ IFD0: { Make: 'SecretCamera' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 12/1' } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toBuffer()
  assert.ok((await sharp(photo).metadata()).exif)
  const [token] = tokens(await person.upload('/images/references', [['photo.jpg', photo]], {}, htmx))
  const { body } = await person.get(`/files/${token}`)
  const kept = await sharp(body).metadata()
  assert.deepEqual([kept.width, kept.height, kept.exif, kept.orientation ?? 1], [200, 320, undefined, 1])
  assert.doesNotMatch(body.toString('latin1'), /SecretCamera|Exif/)
})

test('what an app wrote beside the picture or behind its end goes, and not one pixel changes', async () => {
  const person = await alice(app)
  const drawn = sharp({
    create: {
      width: 90,
      height: 70,
      channels: 3,
      background: '#789',
      noise: { type: 'gaussian', mean: 128, sigma: 40 },
    },
  })
  const place = Buffer.from('at 52.5200,13.4050')
  const segment = (marker: number) => Buffer.concat([Buffer.from([0xff, marker, 0, place.length + 2]), place])
  const jpeg = await drawn.clone().jpeg({ progressive: true }).withIccProfile('p3').toBuffer()
  const told = [segment(0xfe), segment(0xec), segment(0xe2), segment(0xed)]
  const png = await drawn
    .clone()
    .png()
    .withExif({ IFD0: { Copyright: String(place) } })
    .toBuffer()
  const webp = await drawn
    .clone()
    .webp({ lossless: true })
    .withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${String(place)}</x:xmpmeta>`)
    .toBuffer()
  const files: [File, reencoded: boolean][] = [
    [['a.jpg', Buffer.concat([jpeg.subarray(0, 2), ...told, jpeg.subarray(2), place, jpeg])], false],
    [['a.png', Buffer.concat([png, place])], false],
    [['a.webp', Buffer.concat([webp, place])], true],
  ]
  for (const [file, reencoded] of files) {
    assert.ok(file[1].includes(place), `${file[0]} tells`)
    const [token] = tokens(await person.upload('/images/references', [file], {}, htmx))
    const { body } = await person.get(`/files/${token}`)
    assert.ok(!body.includes(place), file[0])
    if (reencoded) continue
    const [before, after] = await Promise.all([file[1], body].map(bytes => sharp(bytes).raw().toBuffer()))
    assert.ok(before!.equals(after!), file[0])
  }
  const [token] = tokens(await person.upload('/images/references', [['plain.jpg', jpeg]], {}, htmx))
  assert.ok((await person.get(`/files/${token}`)).body.equals(jpeg), 'what tells nothing stays byte for byte')
})

test('with references the form makes an edit, sent as image[] for several, without response_format', async () => {
  const person = await alice(app)
  const files: File[] = [
    ['a.png', await png('#a00')],
    [
      'b.webp',
      await sharp(await png('#0b0'))
        .webp()
        .toBuffer(),
    ],
  ]
  const started = await person.upload('/images', files, { prompt: 'both together, please', n: '2', submission: uuid() })
  assert.equal(started.status, 303)
  const id = started.location.split('/').at(-1)!
  assert.equal((await jobEnd(app.db, id)).state, 'done')
  const [call] = app.mock.control.calls({ prompt: 'both together, please' })
  assert.deepEqual([call!.path, call!.inputs, call!.n], ['/v1/images/edits', 2, 2])
  const names = Object.keys(call!.fields)
  assert.ok(!names.includes('response_format'))
  const page = await person.get(`/images/${id}`)
  assert.equal(page.html.querySelectorAll('.made-from .reference-list img').length, 2)
  // The settings come back with everything.
  assert.equal(tokens(await person.get(`/images?from=${id}`)).length, 2)
})

test('without JavaScript references are added, moved and removed, and what was typed stays', async () => {
  const person = await alice(app)
  const form = { prompt: 'typed', size: '1536x1024' }
  const added = await person.upload('/images/references', [['1.png', await png('#100')]], form)
  assert.equal(added.location, '/images')
  await person.upload('/images/references', [['2.png', await png('#200')]], {
    ...form,
    reference: tokens(await person.get('/images'))[0]!,
  })
  const [first, second] = tokens(await person.get('/images'))
  const both = `prompt=typed&size=1536x1024&reference=${first}&reference=${second}`
  await person.postRaw('/images/references', `${both}&later=${first}`)
  const moved = await person.get('/images')
  assert.deepEqual(tokens(moved), [second, first])
  assert.equal(moved.html.querySelector('#prompt')!.textContent, 'typed')
  assert.equal(moved.html.querySelector('select[name=size] option[selected]')!.getAttribute('value'), '1536x1024')
  const strayed = await person.postRaw('/images', `${both}&remove=${first}`)
  assert.equal(strayed.status, 400)
  await person.postRaw('/images/references', `${both}&remove=${first}`)
  assert.deepEqual(tokens(await person.get('/images')), [second])
})

test('a picture of mine can be used as a reference and edited; nobody else can use it', async () => {
  const person = await alice(app)
  const made = await makePicture(app, person, 'something to start from')
  assert.deepEqual(tokens(await person.get(`/images?reference=${made.id}`)), [made.token])
  assert.deepEqual(tokens(await person.get(`/images?reference=${made.token}`)), [made.token])
  const edit = await person.get(`/images?edit=${made.id}`)
  assert.deepEqual(tokens(edit), [made.token])
  assert.equal(edit.html.querySelector('#prompt')!.textContent, '')
  const added = await person.post('/images/references', { picture: made.id }, htmx)
  assert.deepEqual(tokens(added), [made.token])

  const stranger = await charlie(app)
  for (const path of [`/images?reference=${made.id}`, `/images?reference=${made.token}`, `/images?edit=${made.id}`]) {
    assert.deepEqual(tokens(await stranger.get(path)), [], path)
  }
  assert.deepEqual(tokens(await stranger.post('/images/references', { picture: made.id }, htmx)), [])
  const asked = await stranger.post('/images', { prompt: 'not mine', reference: made.token })
  assert.equal(asked.status, 422)
  assert.deepEqual(app.mock.control.calls({ prompt: 'not mine' }), [])
})

test('sixteen references go, the seventeenth is refused by name', async () => {
  const person = await alice(app)
  const files: File[] = []
  for (let number = 0; number < 16; number++) files.push([`${number}.png`, await png(`#${number.toString(16)}07`)])
  assert.equal(tokens(await person.upload('/images/references', files, {}, htmx)).length, 16)
  const more = await person.upload('/images/references', [['seventeenth.png', await png('#fff')]], {}, htmx)
  assert.equal(more.status, 422)
  assert.match(more.html.textContent, /“seventeenth\.png” was not added/)
  const tooMany = [...files, ['17.png', await png('#eee')] as File]
  const whole = await person.upload('/images/references', tooMany, {}, htmx)
  assert.equal(whole.status, 413)
  assert.match(whole.html.textContent, /At most 16 files of 20 MiB/)
})

test('a broken body is a 400, a body without end is cut off, and no temporary file is left', async () => {
  const person = await alice(app)
  const headers = { ...htmx.headers, 'Content-Type': 'multipart/form-data; boundary=x' }
  const broken = await person.postRaw('/images/references', '--x\r\nContent-Disposition: form-data; name="fi', {
    headers,
  })
  assert.equal(broken.status, 400)
  const noBoundary = await person.postRaw('/images/references', 'x', {
    headers: { 'Content-Type': 'multipart/form-data' },
  })
  assert.equal(noBoundary.status, 400)
  const part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
  const half = await person.postRaw('/images/references', `${part}\x89PNG`, { headers })
  assert.equal(half.status, 400)
  await sendHalf(person, part)
  await until('the temporary folders to be gone', async () => {
    const left = await readdir(tmpdir())
    return left.every(name => !name.startsWith('playground-upload-'))
  })
})

test('the fields of a form with files may be as long as those of one without', async () => {
  const person = await alice(app)
  const fields = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`field${i}`, 'x'.repeat(100_000)]))
  const file: File = ['a.png', await png('#a01')]
  assert.equal((await person.upload('/images/references', [file], fields(5), htmx)).status, 200)
  assert.equal((await person.upload('/images/references', [file], fields(60), htmx)).status, 413)
})

test('a store that hangs with one file lets others through', async () => {
  const storage = openStorage({ localDirectory: `${app.config.dataDirectory}/assets`, s3: null, keepLocal: false })
  const userIds = [await alice(app), await alice(app)].map(({ email }) => app.mock.control.user(email).id)
  const log = createLog('silent')
  const gate = Promise.withResolvers<void>()
  const stuck = { ...storage, put: () => gate.promise }
  const uploads = [
    keepUpload({ db: app.db, config: app.config, log, storage: stuck }, userIds[0]!, await png('#a02')),
    keepUpload({ db: app.db, config: app.config, log, storage }, userIds[1]!, await png('#a03')),
  ]
  try {
    const sql = 'select 1 from files where user_id = $1'
    await until('the other file', () => app.db.maybeOne(z.unknown(), sql, [userIds[1]]))
  } finally {
    gate.resolve()
    await Promise.all(uploads)
  }
})

test('nothing is read from somebody who is not signed in', async () => {
  const guest = app.browser()
  const answer = await guest.upload('/images/references', [['a.png', await png('#a00')]], {}, htmx)
  assert.equal(answer.status, 401)
})

test('what a phone shares becomes a reference, and never a picture that is paid for; signed out it is to be shared again', async () => {
  const person = await alice(app)
  const manifest = (await person.get('/images')).html.querySelector('link[rel="manifest"]')!.getAttribute('href')!
  const { share_target: target } = (await (await fetch(app.url + manifest)).json()) as {
    share_target: { action: string }
  }
  const shared = await person.upload(target.action, [['photo.png', await png('#abc', 40, 30)]], { prompt: 'not mine' })
  assert.equal(shared.location, '/images')
  const { html } = await person.get('/images')
  assert.equal(html.querySelectorAll('#references [name="reference"]').length, 1)
  assert.equal(html.querySelector('#prompt')!.textContent, '')
  assert.equal(app.mock.control.calls({ email: person.email }).length, 0)
  const out = await app.browser().upload(target.action, [['photo.png', await png('#abc', 40, 30)]])
  assert.equal(out.location, '/login?next=%2Fimages%3Fshare%3Dagain')
  assert.match((await person.get('/images?share=again')).text, /Share it once more/)
})

test('a file that is never used is cleaned up after a day; one that is used stays', async () => {
  const person = await alice(app)
  const files: File[] = [
    ['unused.png', await png('#123456')],
    ['used.png', await png('#654321')],
  ]
  const [unused, used] = tokens(await person.upload('/images/references', files, {}, htmx))
  const started = await person.post('/images', { prompt: 'use one of them', reference: used! })
  await jobEnd(app.db, started.location.split('/').at(-1)!)
  await app.db.run(`update files set created_at = now() - interval '25 hours'`)
  const storage = openStorage({ localDirectory: `${app.config.dataDirectory}/assets`, s3: null, keepLocal: false })
  await keepHouse(houseOf(app, storage))
  assert.equal((await person.get(`/files/${unused}`)).status, 404)
  assert.equal(await storage.head(unused!), null)
  assert.equal((await person.get(`/files/${used}`)).status, 200)
})

type File = [name: string, bytes: Buffer]
const htmx = { htmx: true, headers: {} as Record<string, string> }

function png(color: string, width = 64, height = 48): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: color } })
    .png()
    .toBuffer()
}

/** 15,000 × 15,000 black pixels of one bit each, in some 30 kB; built by hand, since drawing it takes seconds. */
function bomb(): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const ends = Buffer.alloc(8)
    ends.writeUInt32BE(data.length, 0)
    ends.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)])
  }
  const header = Buffer.from([0, 0, 0x3a, 0x98, 0, 0, 0x3a, 0x98, 1, 0, 0, 0, 0])
  const rows = deflateSync(Buffer.alloc(15_000 * (1 + 15_000 / 8)))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', rows), chunk('IEND', Buffer.alloc(0))])
}

function tokens(page: Page): string[] {
  return page.html.querySelectorAll('input[name=reference]').map(input => input.getAttribute('value')!)
}

function colors(person: Person, names: string[]): Promise<string[]> {
  return Promise.all(
    names.map(async name => {
      const [r, g, b] = await sharp((await person.get(`/files/${name}`)).body)
        .raw()
        .toBuffer()
      return `#${[r!, g!, b!].map(value => value.toString(16).padStart(2, '0')).join('')}`
    }),
  )
}

/** A sender that goes away in the middle. */
function sendHalf(person: Person, part: string): Promise<void> {
  return new Promise(resolve => {
    const headers = {
      Cookie: `sid=${person.cookie('sid')}`,
      'Sec-Fetch-Site': 'same-origin',
      'Content-Type': 'multipart/form-data; boundary=x',
      'Content-Length': 10 * MIB,
    }
    const request = httpRequest(`${app.url}/images/references`, { method: 'POST', headers })
    request.on('error', () => resolve())
    request.write(part)
    request.write(Buffer.alloc(MIB), () => request.destroy())
    request.on('close', () => resolve())
  })
}

const uuid = () => crypto.randomUUID()
