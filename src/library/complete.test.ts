import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { z } from 'zod'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture } from '../testing/pictures.ts'
import { environmentOf, runScript } from '../testing/script.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
let owner: Person
let picture: MadePicture
let others: MadePicture

before(async () => {
  app = await testApp()
  owner = await alice(app)
  picture = await makePicture(app, owner, 'to be completed')
  others = await makePicture(app, await charlie(app), "somebody else's")
})

const fileOf = (name: string) => path.join(app.config.dataDirectory, 'assets', name.slice(0, 2), name)
const thumbOf = ({ token }: MadePicture) => fileOf(`${token}.thumb`)

async function run(...args: string[]) {
  const ended = await runScript('backfill-library', ['--json', ...args], environmentOf(app.config, app.db.url))
  assert.ok(ended.report, ended.complained)
  const { thumbnails, facts, left, failed } = ended.report
  return { code: ended.code, thumbnails, facts, left, failed: failed as { name: string; why: string }[] }
}

test('thumbnails that are missing are made anew, of one person or of all, and the page shows them', async () => {
  await rm(thumbOf(picture))
  await rm(thumbOf(others))
  assert.deepEqual(await run('--dry-run'), { code: 0, thumbnails: 2, facts: 0, left: 0, failed: [] })
  assert.deepEqual(await run('--dry-run', '--limit', '1'), { code: 0, thumbnails: 1, facts: 0, left: 1, failed: [] })
  const { id } = await app.db.one(z.object({ id: z.number() }), 'select id from users where email = $1', [owner.email])
  assert.equal((await run('--user-id', String(id))).thumbnails, 1)
  const { format, width } = await sharp(await readFile(thumbOf(picture))).metadata()
  assert.deepEqual([format, width! <= 480], ['webp', true])
  assert.equal((await owner.get(`/files/${picture.token}/thumb`)).status, 200)
  assert.equal((await run()).thumbnails, 1)
  assert.deepEqual(await run(), { code: 0, thumbnails: 0, facts: 0, left: 0, failed: [] })
})

test('with --all what a row says of its picture is what the picture is', async () => {
  const Facts = z.object({ width: z.number(), height: z.number(), color: z.string() })
  const facts = () => app.db.one(Facts, 'select width, height, color from files where token = $1', [picture.token])
  const before = await facts()
  await app.db.run(`update files set width = 1, height = 1, color = '' where token = $1`, [picture.token])
  assert.deepEqual((await run()).facts, 0)
  assert.deepEqual(await run('--all'), { code: 0, thumbnails: 0, facts: 1, left: 0, failed: [] })
  assert.deepEqual(await facts(), before)
})

test('bytes that are gone, or are others than their row knows, are named, and nothing is made of them', async () => {
  const sound = await readFile(fileOf(picture.token))
  await rm(thumbOf(picture))
  await rm(thumbOf(others))
  await rm(fileOf(others.token))
  await writeFile(
    fileOf(picture.token),
    await sharp({ create: { width: 4, height: 4, channels: 3, background: 'red' } })
      .png()
      .toBuffer(),
  )
  const found = await run()
  assert.equal(found.code, 1)
  assert.equal(found.thumbnails, 0)
  assert.deepEqual(found.failed.map(({ name }) => name).sort(), [picture.token, others.token].sort())
  await writeFile(fileOf(picture.token), sound)
  assert.deepEqual([(await run()).thumbnails, (await run()).code], [1, 1])
})

test('a thumbnail that is missing is made when its owner looks at it, and its colour where nobody has seen it', async () => {
  const Color = z.object({ color: z.string() })
  const color = () => app.db.one(Color, 'select color from files where token = $1', [picture.token])
  const before = await color()
  await rm(thumbOf(picture), { force: true })
  await app.db.run(`update files set color = '#888' where token = $1`, [picture.token])
  const stranger = await charlie(app)
  assert.equal((await stranger.get(`/files/${picture.token}/thumb`)).status, 404)
  await assert.rejects(readFile(thumbOf(picture)), { code: 'ENOENT' })

  const looks = await Promise.all([1, 2, 3].map(() => owner.get(`/files/${picture.token}/thumb`)))
  for (const { status, body } of looks) {
    assert.equal(status, 200)
    assert.equal((await sharp(body).metadata()).format, 'webp')
  }
  assert.deepEqual(await color(), before)
  assert.deepEqual(await readFile(thumbOf(picture)), looks[0]!.body)
})
