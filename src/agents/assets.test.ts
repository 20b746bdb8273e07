import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import { boundKey, expireTokensOf, tokenOf } from '../testing/agents.ts'
import type { Page } from '../testing/browser.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
let owner: Person
let address: string
let bytes: Buffer
let picture: Awaited<ReturnType<typeof makePicture>>
before(async () => {
  app = await testApp()
  owner = await alice(app)
  picture = await makePicture(app, owner, 'a harbour: dawn/dusk')
  address = `/api/playground/assets/${picture.token}`
  bytes = (await owner.get(`/files/${picture.token}`)).body
})

function isMissing(answer: Page, what: string) {
  assert.equal(answer.status, 404, what)
  assert.match(answer.headers['content-type']!, /^application\/json/, what)
  assert.equal(answer.headers['cache-control'], 'no-store', what)
  const { code, message } = JSON.parse(answer.text) as { code: number; message: string }
  assert.ok(code === 404 && message, what)
}

test("alice's browser and alice's scripts get the stored bytes; charlie, guests and old tokens get nothing", async () => {
  const key = await boundKey(app, owner)
  const token = await tokenOf(app, key)
  const guest = app.browser()
  const headers = { Authorization: `Bearer ${token}` }
  for (const answer of [await owner.get(address), await guest.get(address, { headers })]) {
    assert.equal(answer.status, 200)
    assert.ok(answer.body.equals(bytes))
    assert.equal(answer.headers['content-type'], 'image/png')
    assert.equal(answer.headers['content-length'], String(bytes.length))
    assert.equal(answer.headers['cache-control'], 'private, max-age=31536000, immutable')
    assert.equal(answer.headers['content-security-policy'], "sandbox; default-src 'none'")
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.match(answer.headers.vary!, /Cookie/)
  }

  const stranger = await charlie(app)
  isMissing(await stranger.get(address), 'charlie')
  isMissing(await guest.get(address), 'a guest')
  const theirs = { Authorization: `Bearer ${await tokenOf(app, await boundKey(app, stranger))}` }
  isMissing(await guest.get(address, { headers: theirs }), "charlie's script")
  await expireTokensOf(app, key)
  isMissing(await guest.get(address, { headers }), 'a token that has expired')
  const known = { ...theirs, 'If-None-Match': (await owner.get(address)).headers.etag!, Range: 'bytes=0-9' }
  isMissing(await stranger.get(`${address}?download=1`, { headers: known }), 'charlie, who knows the ETag')
  for (const other of ['x', 'x'.repeat(32), randomBytes(24).toString('base64url'), '%2e%2e', '%zz']) {
    isMissing(await owner.get(`/api/playground/assets/${other}`), other)
  }
})

test('parts, headers alone, and nothing to who has it already', async () => {
  const part = await owner.get(address, { headers: { Range: 'bytes=-10' } })
  assert.deepEqual([part.status, part.body.equals(bytes.subarray(-10))], [206, true])
  assert.equal((await owner.get(address, { headers: { Range: `bytes=${bytes.length}-` } })).status, 416)
  const head = await owner.head(address)
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(bytes.length), 0])
  const again = await owner.get(address, { headers: { 'If-None-Match': head.headers.etag! } })
  assert.deepEqual([again.status, again.body.length], [304, 0])
})

test('a download is named as asked or after its prompt, and never like anything but a picture', async () => {
  const nameOf = async (query: string) =>
    (await owner.get(address + query)).headers['content-disposition']?.replaceAll('"', '')
  assert.equal(await nameOf(''), undefined)
  assert.equal(await nameOf('?download=1'), 'attachment; filename=a-harbour-dawn-dusk.png')
  assert.equal(await nameOf('?download=1&filename=mine.PNG'), 'attachment; filename=mine.PNG')
  assert.equal(await nameOf('?download=1&filename=page.html'), 'attachment; filename=page.html.png')
  assert.equal(await nameOf('?download=1&filename=..%2F..%2Fetc%0d%0aX%3A1'), 'attachment; filename=etcX:1.png')
  assert.match((await nameOf('?download=1&filename=%E6%B8%AF%E5%8F%A3'))!, /filename\*=UTF-8''%E6%B8%AF%E5%8F%A3\.png$/)
})

test('other methods are refused in JSON', async () => {
  const answer = await owner.post(address, { x: 'y' })
  assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD'])
  assert.equal((JSON.parse(answer.text) as { reason: string }).reason, 'method_not_allowed')
})

test('a sign-in that the gateway has ended opens nothing any more', async () => {
  const left = await alice(app)
  const { token } = await makePicture(app, left, 'left behind')
  app.mock.control.revokeRefreshTokens(left.email)
  await app.db.run(`update sign_ins set renew_at = now() where user_id = (select id from users where email = $1)`, [
    left.email,
  ])
  isMissing(await left.get(`/api/playground/assets/${token}`), 'ended')
})

test('where the operator has opened them, whoever knows the token sees what is not in the trash', async () => {
  const { browser } = await app.another({ publicAssets: true, role: 'web' })
  const guest = browser()
  const answer = await guest.get(address)
  assert.deepEqual([answer.status, answer.body.equals(bytes)], [200, true])
  assert.equal(answer.headers['cache-control'], 'public, max-age=300')
  assert.equal(answer.headers.vary, undefined)
  assert.equal(answer.headers['set-cookie'], undefined)
  assert.equal((await guest.get(`/files/${picture.token}`)).status, 303, 'the other addresses stay private')

  await owner.post(`/library/${picture.id}/delete`)
  isMissing(await guest.get(address), 'in the trash')
  const mine = browser()
  await mine.post('/login', { email: owner.email, password: 'long enough' })
  const own = await mine.get(address)
  assert.deepEqual([own.status, own.headers['cache-control']], [200, 'private, max-age=31536000, immutable'])
})
