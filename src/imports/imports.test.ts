import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { unzip } from '../testing/unzip.ts'
import { type TestEntry, zipOf } from '../testing/zip.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

interface PictureRow {
  id: string
  token: string
  job_id: string | null
  origin: string
  prompt: string
  tags: string[]
  folder: string | null
  cost: number | null
  created_at: Date
  [column: string]: unknown
}

interface Row {
  name: string
  outcome: string
  reason: string | null
}

test('what was exported comes into another account bit for bit, with all that was said of it', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron to take along <b>')
  await owner.post('/library/selection', { act: 'tag', tags: 'Birds, 水鸟', id: picture.id })
  await owner.post(`/library/${picture.id}/details`, { folder: 'At the lake', tags: 'Birds, 水鸟' })
  await owner.post(`/library/${picture.id}/favourite`, { favourite: 'on' })
  await app.db.run(`update pictures set created_at = '2025-03-04T05:06:07Z' where id = $1`, [picture.id])
  const zip = await exported(owner, picture.id)

  const other = await alice(app)
  const { report, rows } = await imported(other, zip)
  assert.deepEqual(rows, [{ name: 'pictures/001-a-heron-to-take-along-b.png', outcome: 'added', reason: null }])
  const mine = (await picturesOf(other))[0]!
  const theirs = (await picturesOf(owner))[0]!
  assert.notEqual(mine.id, theirs.id)
  assert.notEqual(mine.token, theirs.token)
  const same =
    'prompt model asked returned quality requested_size favourite created_at tags condition origin width'.split(' ')
  for (const column of same) assert.deepEqual(mine[column], theirs[column], column)
  assert.equal(mine.folder, 'At the lake')
  assert.ok((await other.get(`/files/${mine.token}`)).body.equals((await owner.get(`/files/${theirs.token}`)).body))

  assert.equal(mine.cost, null)
  const { rows: receipts } = await app.db.pool.query(
    `select from receipts r join users u on u.id = r.user_id where email = $1`,
    [other.email],
  )
  assert.equal(receipts.length, 0)
  const page = await other.get(`/library/${mine.id}`)
  assert.match(page.text, /Imported/)
  assert.match(page.text, /Call elsewhere/)
  assert.match(report.text, /href="\/library\/[\w-]+"/)
})

test('imported twice, or changed meanwhile, nothing is added and nothing is overwritten', async () => {
  const owner = await alice(app)
  const zip = await exported(owner, (await makePicture(app, owner, 'a heron that stays')).id)
  const other = await alice(app)
  await imported(other, zip)
  const mine = (await picturesOf(other))[0]!
  await other.post(`/library/${mine.id}/details`, { folder: '', tags: 'newer' })
  const before = await picturesOf(other)
  assert.deepEqual((await imported(other, zip)).rows, [{ ...(await imported(other, zip)).rows[0]!, reason: 'known' }])
  assert.deepEqual(await picturesOf(other), before)
  // Into the account that it came from as well.
  assert.equal((await imported(owner, zip)).rows[0]!.reason, 'known')
  await other.post(`/library/${mine.id}/delete`)
  assert.equal((await imported(other, zip)).rows[0]!.reason, 'restored')
  assert.deepEqual(await picturesOf(other), before)
})

test('without a manifest pictures are uploads, without what cameras write into them', async () => {
  const owner = await alice(app)
  const photo = await sharp({ create: { width: 40, height: 30, channels: 3, background: '#123456' } })
    .withExif({ IFD3: { GPSLatitude: '52/1 31/1 0/1', GPSLatitudeRef: 'N' } })
    .jpeg()
    .toBuffer()
  assert.ok(photo.includes('Exif'))
  const { rows } = await imported(
    owner,
    zipOf([
      { name: 'holiday/', content: '' },
      { name: 'holiday/beach.jpg', content: photo, deflated: true },
      { name: '__MACOSX/holiday/._beach.jpg', content: 'x' },
      { name: 'holiday/.DS_Store', content: 'x' },
      { name: 'holiday/notes.txt', content: 'what we saw' },
    ]),
  )
  assert.deepEqual(rows, [
    { name: 'holiday/beach.jpg', outcome: 'added', reason: null },
    { name: '__MACOSX/holiday/._beach.jpg', outcome: 'skipped', reason: 'of_system' },
    { name: 'holiday/.DS_Store', outcome: 'skipped', reason: 'of_system' },
    { name: 'holiday/notes.txt', outcome: 'refused', reason: 'not_an_image' },
  ])
  const picture = (await picturesOf(owner))[0]!
  assert.deepEqual([picture.origin, picture.prompt], ['uploaded', ''])
  assert.ok(!(await owner.get(`/files/${picture.token}`)).body.includes('Exif'))
})

test('each entry that is not what it says is refused by itself, and the others come in', async () => {
  const owner = await alice(app)
  const png = await picture('#aa0000')
  const bomb = Buffer.alloc(100 * 1024 * 1024)
  const nested = zipOf([{ name: 'inner.png', content: png }])
  const entries: [TestEntry, string | null][] = [
    [{ name: '../../etc/passwd.png', content: png }, 'name'],
    [{ name: '/root.png', content: png }, 'name'],
    [{ name: 'C:\\windows.png', content: png }, 'name'],
    [{ name: 'a\\..\\b.png', content: png }, 'name'],
    [{ name: `${'x'.repeat(3000)}.png`, content: png }, 'name'],
    [{ name: 'nul\0.png', content: png }, 'name'],
    [{ name: 'link.png', content: '/etc/passwd', mode: 0o120777 }, 'not_plain'],
    [{ name: 'device.png', content: png, mode: 0o020666 }, 'not_plain'],
    [{ name: 'sealed.png', content: png, flags: 1 }, 'encrypted'],
    [{ name: 'strange.png', content: png, method: 99 }, 'method'],
    [{ name: 'declared-bomb.png', content: bomb, deflated: true }, 'too_large'],
    [{ name: 'lying-bomb.png', content: bomb, deflated: true, size: 1000 }, 'damaged'],
    [{ name: 'short.png', content: png, deflated: true, size: png.length + 5 }, 'damaged'],
    [{ name: 'sum.png', content: png, crc: 1 }, 'damaged'],
    [{ name: 'nested.png', content: nested }, 'not_an_image'],
    [{ name: 'page.png', content: '<!doctype html><script>alert(1)</script>' }, 'not_an_image'],
    [
      { name: 'drawing.png', content: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' },
      'unsupported_format',
    ],
    [{ name: 'half.png', content: png.subarray(0, png.length / 2) }, 'damaged'],
    [{ name: 'good.png', content: png, deflated: true }, null],
    [{ name: 'good.png', content: await picture('#00aa00') }, 'twice'],
    [{ name: 'plain-file.png', content: await picture('#0000aa'), mode: 0o100644 }, null],
  ]
  const { rows } = await imported(owner, zipOf(entries.map(([entry]) => entry)))
  assert.deepEqual(
    rows.map(({ reason }) => reason),
    entries.map(([, reason]) => reason),
  )
  assert.equal((await picturesOf(owner)).length, 2)
  assert.deepEqual(readdirSync(path.join(app.config.dataDirectory, 'incoming')), [])
})

test('many small entries that unpack to far more than pictures would are refused', async () => {
  const owner = await alice(app)
  const zeros = Buffer.alloc(19 * 1024 * 1024)
  const entries = Array.from({ length: 6 }, (_, each) => ({ name: `${each}.png`, content: zeros, deflated: true }))
  const { rows } = await imported(owner, zipOf(entries))
  assert.deepEqual([...new Set(rows.map(({ reason }) => reason))], ['not_an_image', 'too_much'])
  assert.equal((await picturesOf(owner)).length, 0)
})

test('a manifest that lies is believed in nothing', async () => {
  const owner = await alice(app)
  const theirs = await makePicture(app, owner, 'what is alice’s')
  const other = await alice(app)
  const names = ['#110000', '#220000', '#330000', '#440000', '#550000', '#660000', '#770000']
  const bytes = await Promise.all(names.map(picture))
  const good = (each: number, said: object = {}) => ({ ...saidOf(`${each}.png`, bytes[each]!), ...said })
  const html = Buffer.from('<script>alert(1)</script>')
  const { rows } = await imported(
    other,
    zipOf([
      ...bytes.map((content, each) => ({ name: `${each}.png`, content })),
      { name: 'page.png', content: html },
      {
        name: 'manifest.json',
        content: manifestOf([
          good(0, {
            id: theirs.id,
            user_id: 1,
            token: theirs.token,
            job: theirs.jobId,
            cost_usd: '9999',
            made_from: [],
          }),
          good(1, { sha256: '0'.repeat(64) }),
          good(2, { prompt: 'x'.repeat(200_000) }),
          good(3, { favourite: 'yes', tags: 'none' }),
          good(4, {
            prompt: 'with \0 nul',
            folder: '\u202egnp\0',
            tags: ['a'.repeat(500), 'ok'],
            created_at: '2999-01-01T00:00:00Z',
          }),
          good(5),
          good(5),
          good(6, { origin: '__proto__', __proto__: { admin: true } }),
          saidOf('page.png', html),
          saidOf('never-there.png', html),
          null,
          7,
          { file: 12 },
        ]),
      },
    ]),
  )
  assert.deepEqual(
    rows.map(({ name, reason }) => [name, reason]),
    [
      ['0.png', null],
      ['1.png', 'changed'],
      ['2.png', 'manifest'],
      ['3.png', 'manifest'],
      ['4.png', null],
      ['5.png', 'manifest'],
      ['6.png', 'manifest'],
      ['page.png', 'not_an_image'],
      ['never-there.png', 'absent'],
    ],
  )
  const mine = await picturesOf(other)
  assert.equal(mine.length, 2)
  for (const row of mine) {
    assert.notEqual(row.id, theirs.id)
    assert.notEqual(row.token, theirs.token)
    assert.equal(row.job_id, null)
    assert.equal(row.cost, null)
    assert.ok(row.created_at <= new Date())
  }
  const nul = mine.find(row => row.prompt.startsWith('with'))!
  assert.deepEqual([nul.prompt, nul.folder, nul.tags], ['with  nul', 'gnp', ['ok']])
  assert.equal((await picturesOf(owner)).length, 1)
})

test('no text of a ZIP becomes markup, wherever it is shown', async () => {
  const owner = await alice(app)
  const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
  const bytes = await picture('#123123')
  const said = {
    ...saidOf('a.png', bytes),
    prompt: evil,
    revised_prompt: evil,
    model: evil,
    quality: evil,
    requested_size: evil,
    folder: evil.slice(0, 60),
    tags: [evil.slice(0, 30)],
    returned: { size: evil.slice(0, 40), quality: evil.slice(0, 40) },
    receipts: [{ model: evil, called_at: '2026-01-01T00:00:00Z', charged: 'yes', amount_usd: '1', request_id: evil }],
  }
  const zip = zipOf([
    { name: 'a.png', content: bytes },
    { name: `${evil}.txt`, content: 'x' },
    { name: 'manifest.json', content: manifestOf([said, saidOf(`${evil}.png`, bytes)]) },
  ])
  const { report } = await imported(owner, zip, `${evil}.zip`)
  const mine = (await picturesOf(owner))[0]!
  const pages = [report]
  for (const url of [
    '/imports',
    '/library',
    `/library/${mine.id}`,
    '/library/folders',
    '/library/filters',
    '/exports',
    `/images?reference=${mine.id}`,
  ]) {
    pages.push(await owner.get(url))
  }
  for (const { text, status } of pages) {
    assert.equal(status, 200)
    assert.doesNotMatch(text, /<script>alert|<img src=x/)
  }
  assert.match(pages[3]!.text, /&lt;script&gt;alert/)
})

test('what is no ZIP, or only a part of one, or of a version to come, is said to be so', async () => {
  const owner = await alice(app)
  const whole = zipOf([{ name: 'a.png', content: await picture('#998877') }])
  const endless = zipOf([{ name: 'a.png', content: await picture('#887766') }], { count: 9 })
  const next = {
    name: 'manifest.json',
    content: JSON.stringify({ format: 'sub2api-playground-export', version: 2, pictures: [] }),
  }
  const cases: [Buffer, RegExp][] = [
    [Buffer.from('hello'), /no ZIP file/],
    [Buffer.from('PK\x03\x04'), /no ZIP file/],
    [whole.subarray(0, whole.length - 30), /no ZIP file/],
    [endless, /cannot be read to its end/],
    [zipOf([next]), /newer version/],
    [
      zipOf([{ name: 'manifest.json', content: '{"format":"sub2api-playground-export","version":1,"pictures":7}' }]),
      /manifest/,
    ],
    [zipOf([{ name: 'manifest.json', content: Buffer.alloc(60 * 1024 ** 2), deflated: true }]), /manifest/],
    [zipOf([{ name: 'x', content: 'x' }], { count: 60_000 }), /too many entries/],
  ]
  for (const [bytes, words] of cases) assert.match((await imported(owner, bytes)).report.text, words)
  // Of another program: a file like any other.
  const { rows } = await imported(owner, zipOf([{ name: 'manifest.json', content: '[]' }]))
  assert.deepEqual(rows, [])
})

test('a ZIP with the large end is read like any other', async () => {
  const owner = await alice(app)
  const { rows } = await imported(owner, zipOf([{ name: 'a.png', content: await picture('#445566') }], { zip64: true }))
  assert.deepEqual(
    rows.map(({ outcome }) => outcome),
    ['added'],
  )
})

test('what is larger than may be imported is refused while it comes', async () => {
  const small = await app.another({ limits: { ...app.config.limits, importBytes: 100_000 } })
  const owner = await alice({ ...app, browser: small.browser })
  const answer = await owner.upload('/imports', [['a.zip', Buffer.alloc(150_000)]])
  assert.equal(answer.status, 413)
  assert.match(answer.text, /at most 97 KiB/)
  const beyond = await owner.upload('/imports', [['a.zip', Buffer.alloc(300_000)]])
  assert.equal(beyond.status, 413)
  assert.equal((await owner.upload('/imports', [])).status, 422)
  assert.equal((await owner.upload('/imports', [['a.zip', Buffer.alloc(0)]])).status, 422)
  assert.equal((await owner.post('/imports', {})).status, 422)
  await until(
    'the uploads to be gone',
    async () => readdirSync(path.join(app.config.dataDirectory, 'incoming')).length === 0,
  )
})

test('imports that come in at the same time take no more room together than their person has', async () => {
  const small = await testApp({ limits: { ...app.config.limits, storagePerUser: 60_000 } })
  await small.another({ role: 'worker' })
  const owner = await alice(small)
  const noise = (seed: number) => {
    const pixels = Buffer.from(Array.from({ length: 64 * 48 * 3 }, (_, each) => (each * 7919 * (seed + 3)) >> 5))
    return sharp(pixels, { raw: { width: 64, height: 48, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer()
  }
  const files = await Promise.all(Array.from({ length: 10 }, (_, each) => noise(each)))
  const entries = files.map((content, each) => ({ name: `${each}.png`, content }))
  const found = await Promise.all(
    [entries.slice(0, 5), entries.slice(5)].map(half => imported(owner, zipOf(half), 'a.zip', small)),
  )
  const reasons = found.flatMap(({ rows }) => rows.map(({ reason }) => reason))
  assert.ok(reasons.includes('no_room'))
  const { rows } = await small.db.pool.query(`select sum(bytes)::int as bytes, count(*)::int as count from files`)
  assert.ok(rows[0].bytes <= 60_000 && rows[0].count >= 5, JSON.stringify(rows))
  assert.equal(rows[0].count, reasons.filter(reason => reason === null).length)
})

test('charlie reaches nothing of it', async () => {
  const owner = await alice(app)
  const { url } = await imported(owner, zipOf([{ name: 'a.png', content: await picture('#0a0b0c') }]))
  const stranger = await charlie(app)
  assert.equal((await stranger.get(url)).status, 404)
  assert.equal((await stranger.post(`${url}/cancel`)).status, 404)
  assert.equal((await stranger.post(`${url}/delete`)).status, 404)
  assert.doesNotMatch((await stranger.get('/imports')).text, /\/imports\/\w/)
  assert.match((await app.browser().get(url)).location, /^\/login/)
  assert.equal((await owner.get(url)).status, 200)
  assert.equal((await owner.post(`${url}/delete`)).location, '/imports')
  assert.equal((await owner.get(url)).status, 404)
  assert.equal((await picturesOf(owner)).length, 1)
})

test('one whose worker died goes on with another, where it stopped', async () => {
  const owner = await alice(app)
  const zip = zipOf([
    { name: 'a.png', content: await picture('#010203') },
    { name: 'b.png', content: await picture('#040506') },
  ])
  await app.another({ role: 'worker', worker: { ...app.config.worker, tickSeconds: 0.1, sweepSeconds: 0.2 } })
  // As it was left: the first entry is seen to, and the worker has gone.
  await app.db.run(
    `create or replace function leave_behind() returns trigger language plpgsql as $$ begin
       new.state := 'running'; new.claim := gen_random_uuid(); new.attempts := 1;
       new.lease_until := now() - interval '1 minute'; return new; end $$`,
  )
  await app.db.run(`create trigger leave_behind before insert on imports for each row execute function leave_behind()`)
  const answer = await owner.upload('/imports', [['left.zip', zip]])
  await app.db.run(`drop trigger leave_behind on imports`)
  const id = answer.location.slice('/imports/'.length)
  await app.db.pool.query(`insert into import_entries values ($1, 1, 'a.png', 'refused', 'damaged', null)`, [id])
  await until('the import to go back into the queue', async () => {
    await app.db.run(`update imports set not_before = null where state = 'queued'`)
    return (await app.db.pool.query(`select from imports where id = $1 and state = 'done'`, [id])).rowCount
  })
  const { rows } = await app.db.pool.query(`select outcome from import_entries where import_id = $1 order by number`, [
    id,
  ])
  assert.deepEqual(rows, [{ outcome: 'refused' }, { outcome: 'added' }])
  assert.equal((await picturesOf(owner)).length, 1)
})

test('one that is called off stops, and its file is gone', async () => {
  const owner = await alice(app)
  const zip = zipOf([{ name: 'a.png', content: await picture('#0f0e0d') }])
  await app.db.run(
    `create or replace function hold_back() returns trigger language plpgsql as $$ begin
       new.not_before := now() + interval '1 hour'; return new; end $$`,
  )
  await app.db.run(`create trigger hold_back before insert on imports for each row execute function hold_back()`)
  const { location } = await owner.upload('/imports', [['wait.zip', zip]])
  await app.db.run(`drop trigger hold_back on imports`)
  const { rows } = await app.db.pool.query(`select object from imports where id = $1`, [location.split('/').at(-1)])
  const file = path.join(app.config.dataDirectory, 'assets', rows[0].object)
  const found = () =>
    existsSync(file) ||
    readdirSync(path.join(app.config.dataDirectory, 'assets'), { recursive: true }).some(name =>
      String(name).endsWith(rows[0].object),
    )
  assert.ok(found())
  assert.match((await owner.open(location)).text, /Waiting for its turn/)
  assert.equal((await owner.post(`${location}/delete`)).status, 409)
  await owner.post(`${location}/cancel`)
  assert.match((await owner.get(location)).text, /Stopped/)
  assert.ok(!found())
})

test('a file that is gone from the store, or entries that came in before, hold nobody up', async () => {
  const owner = await alice(app)
  const answer = await owner.upload('/imports', [['a.zip', zipOf([])]])
  await until('an empty ZIP to be done', async () => /looked at/.test((await owner.get(answer.location)).text))
  assert.match((await owner.get(answer.location, { htmx: true })).text, /^\s*<div id="import-/)
  assert.equal((await owner.get(`/imports/${randomUUID()}`)).status, 404)
})

function picture(color: string): Promise<Buffer> {
  return sharp({ create: { width: 32, height: 24, channels: 3, background: color } })
    .png()
    .toBuffer()
}

function saidOf(file: string, bytes: Buffer) {
  return {
    file,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    prompt: `of ${file}`,
    model: 'gpt-image-2',
    created_at: '2025-01-02T03:04:05.000Z',
  }
}

function manifestOf(pictures: readonly unknown[]): string {
  return JSON.stringify({ format: 'sub2api-playground-export', version: 1, files: pictures.length, pictures })
}

async function exported(owner: Person, id: string): Promise<Buffer> {
  await owner.post('/exports', { id, as_of: new Date().toISOString() })
  const url = await until('an export to be ready', async () =>
    (await owner.get('/exports')).html.querySelector('.export-list li:first-child a')?.getAttribute('href'),
  )
  const { body } = await owner.get(url)
  assert.ok((await unzip(body)).has('manifest.json'))
  return body
}

/** Brings a ZIP as the form does; what became of its entries once it is over. */
async function imported(person: Person, zip: Buffer, name = 'pictures.zip', { db } = app) {
  const answer = await person.upload('/imports', [[name, zip]])
  assert.match(answer.location, /^\/imports\/[\w-]+$/, answer.text.slice(0, 500))
  const report = await until('an import to be over', async () => {
    const page = await person.get(answer.location)
    return !page.html.querySelector('main [hx-get]') && page
  })
  const { rows } = await db.pool.query<Row>(
    `select name, outcome, reason from import_entries where import_id = $1 order by number`,
    [answer.location.slice('/imports/'.length)],
  )
  return { url: answer.location, report, rows }
}

async function picturesOf(person: Person): Promise<PictureRow[]> {
  const { rows } = await app.db.pool.query<PictureRow>(
    `select p.*, f.name as folder from pictures p join users u on u.id = p.user_id left join folders f on f.id = p.folder_id
     where email = $1 and deleted_at is null order by p.created_at, p.id`,
    [person.email],
  )
  return rows
}
