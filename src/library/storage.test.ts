import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { ConfigError, loadConfig } from '../config.ts'
import { openStorage } from '../storage/storage.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { hoursOff } from '../testing/clock.ts'
import { say } from '../testing/conversations.ts'
import { houseOf } from '../testing/house.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture, makePictures } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { keepHouse } from '../upkeep/hourly.ts'

let app: TestApp
before(async () => {
  // What is deleted has its bytes deleted soon.
  app = await testApp({ worker: { tickSeconds: 1, leaseSeconds: 45, sweepSeconds: 0.5, persistSeconds: 120 } })
})

test('whoever has no room left is refused before anything is paid for, wherever bytes come in', async () => {
  const small = await app.another({ limits: { ...app.config.limits, storagePerUser: 100_000 } })
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'the last that fits')
  await app.db.run(`update files set bytes = 100000 where token = $1`, [picture.token])
  const full = sameSession(owner, small.browser())
  const paid = () => app.mock.control.calls().filter(({ method }) => method === 'POST').length
  const known = paid()

  const asked: [path: string, form: Record<string, string>][] = [
    ['/images', { prompt: 'one more' }],
    ['/images', { prompt: 'an edit', reference: picture.token }],
    ['/images/batch', { prompts: 'one\ntwo', step: 'start', submission: randomUUID() }],
    [`/images/${picture.jobId}/variations`, { n: '2', submission: randomUUID() }],
  ]
  for (const [path, form] of asked) {
    const answer = await full.post(path, form)
    assert.ok([409, 422].includes(answer.status), `${path}: ${answer.status}`)
    const said = answer.html.querySelectorAll('[role="alert"], h1 + p, .field-error').map(each => each.text.trim())
    assert.match(said.join('\n'), /no room left/, path)
  }
  const noise = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#123456' } })
    .png()
    .toBuffer()
  for (const [path, page] of [
    ['/images/references', '/images'],
    ['/chat/draft', '/chat'],
  ] as const) {
    const taken = await full.upload(path, [['noise.png', noise]])
    const said = taken.text + (await full.get(page)).text
    assert.match(said, /noise\.png was not kept: your library has no room left/, path)
  }
  assert.equal(paid(), known)
  const { rows } = await app.db.pool.query(
    'select from image_jobs where user_id = (select user_id from pictures where id = $1)',
    [picture.id],
  )
  assert.equal(rows.length, 1)
})

test('a mask, a pasted result, a script, a card of a chat and a job asked again find no room either, unpaid', async () => {
  const owner = await alice(app)
  const source = await makePicture(app, owner, 'painted over later')
  const area = { reference: source.token, x: '0', y: '0', width: '100', height: '100' }
  await owner.post('/images/masks', area)
  const mask = (await owner.get('/images')).html.querySelector('input[name=mask]')!.getAttribute('value')!
  const [edited] = await makePictures(app, owner, { prompt: 'edited', reference: source.token, mask })
  const token = await tokenOf(app, await boundKey(app, owner))
  const conversation = await say(owner, 'draw a lighthouse that finds no room')
  const card = await until('a card', async () =>
    (await owner.get(`/chat/${conversation}`)).html.querySelector('form.card')?.getAttribute('action'),
  )
  await app.db.run(`update files set bytes = 11000000000 where token = $1`, [source.token])
  const asked = () => app.mock.control.calls({ email: owner.email }).filter(({ path }) => path.includes('/images/'))
  const known = asked().length

  const painted = await owner.post('/images/masks', area)
  const pasted = await owner.post(`/images/pictures/${edited!.id}/keep-masked`)
  const again = await owner.post(`/images/${edited!.jobId}/retry`)
  const accepted = await owner.post(card, { prompt: 'a lighthouse', size: '1024x1024', n: '1' })
  for (const answer of [painted, pasted, again, accepted]) {
    assert.ok([409, 422].includes(answer.status), `${answer.status}`)
    assert.match(answer.text, /no room left/)
  }
  for (const fields of [{}, { mode: 'edit', images: [{ asset_token: source.token }] }]) {
    const answer = await fetch(`${app.url}/api/playground/ssh/tasks`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}` },
      body: JSON.stringify({ prompt: 'by a script', ...fields }),
    })
    assert.deepEqual([answer.status, ((await answer.json()) as { reason: string }).reason], [409, 'storage_full'])
  }
  assert.equal(asked().length, known)
})

test('the page says what takes the room, and emptying the trash sets it free', async () => {
  const owner = await alice(app)
  const kept = await makePicture(app, owner, 'kept')
  const gone = await makePicture(app, owner, 'a doomed heron')
  await app.db.run(`update files set bytes = 3000000 where token = $1`, [gone.token])
  await owner.post(`/library/${gone.id}/delete`)
  const use = (await owner.get('/library/storage')).text
  assert.match(use, /Trash<\/a><\/dt><dd>3 MB/)
  assert.match(use, /of 10\.7 GB used/)

  assert.match((await owner.get('/library/trash')).text, /30 days left/)
  const trash = await hoursOff(1, () => owner.get('/library/trash'))
  const form = trash.html.querySelector('form[action="/library/trash/empty"]')!
  const later = await makePicture(app, owner, 'deleted after it was looked at')
  await owner.post(`/library/${later.id}/delete`)
  const stranger = await charlie(app)
  const fields = { as_of: form.querySelector('[name="as_of"]')!.getAttribute('value')! }
  assert.equal((await stranger.post('/library/trash/empty', fields)).status, 303)
  assert.match((await owner.get('/library/trash')).text, /a doomed heron/)

  await owner.post('/library/trash/empty', fields)

  const left = (await owner.get('/library/trash')).text
  assert.doesNotMatch(left, /a doomed heron/)
  assert.match(left, /deleted after it was looked at/)
  await until('the bytes to be gone', async () => {
    const { rows } = await app.db.pool.query('select token from files where token = $1', [gone.token])
    return rows.length === 0
  })
  assert.equal((await owner.get(`/files/${gone.token}`)).status, 404)
  assert.equal((await owner.get(`/files/${kept.token}`)).status, 200)
})

test('after thirty days in the trash a picture is gone with its bytes, unless another shows the same', async () => {
  const owner = await alice(app)
  const [old, new29, twin] = [
    await makePicture(app, owner, 'thirty days in the trash'),
    await makePicture(app, owner, 'a day less'),
    await makePicture(app, owner, 'one of two'),
  ]
  const other = await makePicture(app, owner, 'one of two')
  assert.equal(other.token, twin.token)
  for (const { id } of [old, new29]) await owner.post(`/library/${id}/delete`)
  await app.db.run(`update pictures set deleted_at = now() - interval '30 days 1 minute' where id = any($1)`, [
    [old.id, twin.id],
  ])
  await app.db.run(`update pictures set deleted_at = now() - interval '29 days 23 hours' where id = $1`, [new29.id])
  await app.db.run(`update files set created_at = now() - interval '31 days'`)
  await owner.get(`/files/${old.token}/screen`)
  const assets = path.join(app.config.dataDirectory, 'assets')
  const storedOf = async (token: string) =>
    (await readdir(assets, { recursive: true })).filter(name => path.basename(name).startsWith(token))
  assert.ok((await storedOf(old.token)).length >= 2)

  await keepHouse(houseOf(app, openStorage({ localDirectory: assets, s3: null, keepLocal: false })))

  const { rows } = await app.db.pool.query<{ id: string }>('select id from pictures where id = any($1)', [
    [old.id, new29.id, twin.id, other.id],
  ])
  assert.deepEqual(rows.map(({ id }) => id).toSorted(), [new29.id, other.id].toSorted())
  assert.deepEqual(await storedOf(old.token), [], 'picture, thumbnail and all')
  for (const { token } of [new29, other]) assert.equal((await owner.get(`/files/${token}`)).status, 200)
  assert.equal((await owner.get(`/files/${old.token}`)).status, 404)
  assert.doesNotMatch((await owner.get('/library/trash')).text, /thirty days in the trash/)
})

test('the room of a person is said with a unit', () => {
  const environment = { SUB2API_UPSTREAM: 'http://127.0.0.1:1', PLAYGROUND_DATA_DIR: app.config.dataDirectory }
  const roomOf = (text: string) =>
    loadConfig({ ...environment, PLAYGROUND_STORAGE_PER_USER: text }).limits.storagePerUser
  assert.equal(roomOf(''), 10 * 1024 ** 3)
  assert.equal(roomOf('500MiB'), 500 * 1024 ** 2)
  assert.equal(roomOf('1.5 GiB'), 1.5 * 1024 ** 3)
  assert.equal(roomOf('1048576'), 1024 ** 2)
  for (const wrong of ['ten', '10GB', '-1', '0']) assert.throws(() => roomOf(wrong), ConfigError, wrong)
})

/** The same person at another process. */
function sameSession(person: Person, browser: ReturnType<TestApp['browser']>) {
  const headers = { Cookie: `sid=${person.cookie('sid')}` }
  return {
    get: (path: string) => browser.get(path, { headers }),
    post: (path: string, form: Record<string, string>) => browser.post(path, form, { headers }),
    upload: (path: string, files: readonly (readonly [string, Buffer])[]) =>
      browser.upload(path, files, {}, { headers }),
  }
}
