import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { before, test } from 'node:test'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture, makePictures } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { unzip } from '../testing/unzip.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('a selection comes out as a ZIP: every picture bit for bit, and all that was asked for', async () => {
  const owner = await alice(app)
  const pictures = [await makePicture(app, owner, 'a heron / at <dawn>'), await makePicture(app, owner, '雨中的灯塔')]
  await owner.post('/library/selection', { act: 'tag', tags: 'Birds', id: pictures[0]!.id })
  const url = await exported(owner, pictures)

  const answer = await owner.get(url)
  assert.equal(answer.headers['content-type'], 'application/zip')
  assert.match(answer.headers['content-disposition']!, /pictures-\d{4}-\d\d-\d\d-2\.zip/)
  const files = await unzip(answer.body)

  assert.deepEqual(
    [...files.keys()],
    ['pictures/001-a-heron-at-dawn.png', 'pictures/002-雨中的灯塔.png', 'manifest.json'],
  )
  const manifest = JSON.parse(files.get('manifest.json')!.toString())
  for (const [each, picture] of pictures.entries()) {
    const bytes = [...files.values()][each]!
    assert.deepEqual(bytes, (await owner.get(`/files/${picture.token}`)).body)
    const { id, sha256, model, file } = manifest.pictures[each]
    assert.deepEqual({ id, sha256 }, { id: picture.id, sha256: createHash('sha256').update(bytes).digest('hex') })
    assert.equal(model, 'gpt-image-2')
    assert.ok(files.has(file))
  }
  assert.deepEqual(manifest.pictures[0].tags, ['Birds'])
  assert.equal(manifest.pictures[1].prompt, '雨中的灯塔')
})

test('the manifest says of each picture what was asked, what came and what was billed', async () => {
  const owner = await alice(app)
  const pictures = await makePictures(app, owner, { prompt: 'two billed herons', n: '2', quality: 'low' })
  await until('the call to be settled', async () => {
    const { rows } = await app.db.pool.query(
      `select from receipts where subject = $1 and amount is not null and billed_by is not null`,
      [pictures[0]!.jobId],
    )
    return rows.length
  })
  const { body } = await owner.get(await exported(owner, pictures))
  const { pictures: said } = JSON.parse((await unzip(body)).get('manifest.json')!.toString())
  const { rows } = await app.db.pool.query(`select * from receipts where subject = $1`, [pictures[0]!.jobId])
  for (const [each, picture] of said.entries()) {
    assert.equal(picture.position, each)
    assert.deepEqual(picture.asked, { ...picture.asked, n: 2, quality: 'low', model: 'gpt-image-2' })
    assert.equal(picture.receipts.length, 1)
    const [receipt] = picture.receipts
    assert.equal(receipt.id, rows[0].id)
    assert.equal(receipt.amount_usd, rows[0].amount)
    assert.match(receipt.amount_usd, /^\d+\.\d+$/)
    assert.match(picture.cost_usd, /^\d+\.\d+$/)
    assert.equal(receipt.delivered.length, 2)
    assert.deepEqual([receipt.charged, receipt.billed_by, receipt.asked.n], ['yes', rows[0].billed_by, 2])
  }
  assert.doesNotMatch(JSON.stringify(said), new RegExp(pictures.map(({ token }) => token).join('|')))
})

test('what a picture was made from is named by the sums of those files', async () => {
  const owner = await alice(app)
  const source = await makePicture(app, owner, 'a heron to be changed')
  const { rows } = await app.db.pool.query(`select sha256 from files where token = $1`, [source.token])
  const changed = await makePicture(app, owner, 'a heron that was changed')
  await app.db.run(`update pictures set source_tokens = array[$2] where id = $1`, [changed.id, source.token])
  const { body } = await owner.get(await exported(owner, [changed]))
  const { pictures } = JSON.parse((await unzip(body)).get('manifest.json')!.toString())
  assert.deepEqual(pictures[0].made_from, [rows[0].sha256.toString('hex')])
})

test('all that a list has comes out, but for what was taken out of it', async () => {
  const owner = await alice(app)
  const [, second] = [
    await makePicture(app, owner, 'a red boat'),
    await makePicture(app, owner, 'a blue boat'),
    await makePicture(app, owner, 'a tram'),
  ]
  const as_of = new Date().toISOString()
  await owner.post('/exports', { all: 'on', as_of, back: '/library?q=boat', except: second!.id })
  const files = await unzip((await owner.get(await ready(owner))).body)
  assert.deepEqual([...files.keys()], ['pictures/001-a-red-boat.png', 'manifest.json'])
})

test('a download that broke off goes on from any byte, and is the same file', async () => {
  const owner = await alice(app)
  const url = await exported(owner, [
    await makePicture(app, owner, 'part one'),
    await makePicture(app, owner, 'part two'),
  ])
  const { body: whole, headers } = await owner.get(url)
  assert.equal(headers['accept-ranges'], 'bytes')

  const size = whole.length
  for (const [start, end] of [
    [0, 0],
    [10, 99],
    [40, Math.floor(size * 0.7)],
    [Math.floor(size * 0.6), size - 1],
    [size - 30, size - 1],
  ] as const) {
    const part = await owner.get(url, { headers: { Range: `bytes=${start}-${end}`, 'If-Range': headers.etag! } })
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], `bytes ${start}-${end}/${size}`)
    assert.ok(part.body.equals(whole.subarray(start, end + 1)), `${start}-${end}`)
  }
  assert.equal((await owner.get(url, { headers: { Range: `bytes=${size}-` } })).status, 416)
  assert.equal((await owner.get(url, { headers: { Range: 'bytes=5-9', 'If-Range': '"another"' } })).status, 200)
  assert.equal((await owner.head(url)).headers['content-length'], String(size))
})

test('charlie reaches nothing of it, and exports nothing of alice’s', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'her own heron')
  const url = await exported(owner, [picture])
  const stranger = await charlie(app)

  assert.equal((await stranger.get(url)).status, 404)
  assert.equal((await stranger.post(url.replace('/file', '/delete'))).status, 404)
  assert.equal((await stranger.post('/exports', { id: picture.id })).status, 422)
  assert.doesNotMatch((await stranger.get('/exports')).text, /\/exports\/[\w-]+\/file/)
  assert.match((await app.browser().get(url)).location, /^\/login/)
  assert.equal((await owner.get(url)).status, 200)
})

test('pressed twice it is one; what is nothing, or no picture, is refused', async () => {
  const owner = await alice(app)
  const { id } = await makePicture(app, owner, 'a heron pressed twice')
  const as_of = new Date().toISOString()
  await Promise.all([1, 2, 3].map(() => owner.post('/exports', { id, as_of })))
  const { rows } = await app.db.pool.query(
    'select count(*)::int as count from exports e join users u on u.id = e.user_id where email = $1',
    [owner.email],
  )
  assert.deepEqual(rows, [{ count: 1 }])
  for (const fields of [{}, { id: randomUUID() }]) assert.equal((await owner.post('/exports', fields)).status, 422)
  assert.equal((await owner.post('/exports', { id: 'x' })).status, 400)
})

test('one whose worker died goes on with another', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron left behind')
  await app.another({ role: 'worker', worker: { ...app.config.worker, tickSeconds: 0.1, sweepSeconds: 0.2 } })
  const { rows } = await app.db.pool.query<{ id: string }>(
    `with owner as (select user_id, token, id from pictures where id = $1),
       made as (
         insert into exports (user_id, submission, name, total, bytes, state, claim, lease_until, attempts)
         select user_id, gen_random_uuid(), 'left', 1, 1, 'running', gen_random_uuid(), now() - interval '1 minute', 1
         from owner returning id)
     insert into export_files (export_id, number, object, name, bytes, facts)
     select made.id, 1, token, 'pictures/a.png', 1, '{}' from made, owner returning export_id as id`,
    [picture.id],
  )
  await until('the export to go back into the queue', async () => {
    await app.db.run(`update exports set not_before = null where state = 'queued'`)
    return (await app.db.pool.query(`select from exports where id = $1 and state = 'ready'`, [rows[0]!.id])).rowCount
  })
  const files = await unzip((await owner.get(`/exports/${rows[0]!.id}/file`)).body)
  assert.ok(files.get('pictures/a.png')!.equals((await owner.get(`/files/${picture.token}`)).body))
})

test('what the store has no more is said to be missing, and nothing else is', async () => {
  const owner = await alice(app)
  const [gone, there] = [
    await makePicture(app, owner, 'a heron that went'),
    await makePicture(app, owner, 'one that stayed'),
  ]
  rmSync(path.join(app.config.dataDirectory, 'assets'), { recursive: true, force: true, maxRetries: 1 })
  await app.db.run(`update pictures set token = token where id = $1`, [gone.id])
  const again = await makePicture(app, owner, 'one made since')
  const files = await unzip((await owner.get(await exported(owner, [gone, there, again]))).body)
  assert.equal(files.size, 2)
  const manifest = JSON.parse(files.get('manifest.json')!.toString())
  assert.equal(manifest.pictures.filter((picture: object) => 'missing' in picture).length, 2)
})

test('npm run verify-export says whether a ZIP is as it was', async () => {
  const owner = await alice(app)
  const { body } = await owner.get(await exported(owner, [await makePicture(app, owner, 'a heron to verify')]))
  const folder = mkdtempSync(path.join(tmpdir(), 'export-'))
  try {
    const verify = (bytes: Buffer) => {
      writeFileSync(path.join(folder, 'a.zip'), bytes)
      return spawnSync(process.execPath, ['scripts/verify-export.ts', path.join(folder, 'a.zip')], { encoding: 'utf8' })
    }
    const good = verify(body)
    assert.equal(good.status, 0, good.stdout + good.stderr)
    const changed = Buffer.from(body)
    changed[5000]! ^= 1
    const bad = verify(changed)
    assert.equal(bad.status, 1)
    assert.match(bad.stdout, /is not what it was/)
    assert.match(bad.stdout, /does not have the sum that the ZIP says/)
    const lying = Buffer.from(body)
    lying.set(Buffer.from('"files":2'), lying.indexOf('"files":1'))
    assert.match(verify(lying).stdout, /names 1 of 2 files/)
    const short = verify(body.subarray(0, body.length - 40))
    assert.equal(short.status, 1)
    assert.match(short.stdout, /cannot be read/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what is removed is gone, and what is over a day old', async () => {
  const owner = await alice(app)
  const url = await exported(owner, [await makePicture(app, owner, 'a heron for a day')])
  await app.db.run(`update exports set expires_at = now() - interval '1 second'`)
  assert.equal((await owner.get(url)).status, 404)
  const second = await exported(owner, [await makePicture(app, owner, 'a heron for a minute')])
  assert.equal((await owner.post(second.replace('/file', '/delete'))).status, 303)
  assert.equal((await owner.get(second)).status, 404)
})

/** Asks for a ZIP of these as the list does; its address once it is ready. */
async function exported(owner: Person, pictures: readonly MadePicture[]): Promise<string> {
  const answer = await owner.post('/exports', {
    id: pictures.map(({ id }) => id).join(','),
    as_of: new Date().toISOString(),
  })
  assert.equal(answer.location, '/exports', answer.text.slice(0, 300))
  return ready(owner)
}

function ready(owner: Person): Promise<string> {
  return until('an export to be ready', async () =>
    (await owner.get('/exports')).html.querySelector('.export-list li:first-child a')?.getAttribute('href'),
  )
}
