import assert from 'node:assert/strict'
import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, test } from 'node:test'
import type { FaultInput } from '../mock/faults.ts'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { jobEnd } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'

const API = '/api/playground/ssh'
let app: TestApp
let owner: Person
let authorization: { Authorization: string }
before(async () => {
  app = await testApp()
  app.mock.control.set({ usageDelayMs: 3_600_000 })
  owner = await alice(app)
  authorization = { Authorization: `Bearer ${await tokenOf(app, await boundKey(app, owner))}` }
})

interface Image {
  id: string
  index: number
  image_url: string
  mime_type: string
  condition: string
  original_url: string | null
  returned: object
  revised_prompt: string | null
}
interface Task {
  task_id: string
  status: string
  error: string | null
  result: { images: Image[] } | null
  kept: Image[]
  progress: { pictures: number }
  charged: string | null
  cost: number | null
  estimate: number | null
}

const get = (address: string, more: RequestInit = {}) =>
  fetch(`${app.url}${address}`, { ...more, headers: { ...authorization, ...(more.headers as object) } })

async function made(fault: FaultInput, fields: object = {}): Promise<Task> {
  const prompt = `task ${Math.random()}`
  app.mock.control.fault({ match: { prompt }, size: '512x384', ...fault })
  const asked = await get(`${API}/tasks`, { method: 'POST', body: JSON.stringify({ prompt, ...fields }) })
  const { data } = (await asked.json()) as { data: { task_id: string } }
  await jobEnd(app.db, data.task_id)
  return taskOf(data.task_id)
}

async function taskOf(id: string, language = 'en'): Promise<Task> {
  const answer = await get(`${API}/tasks/${id}`, { headers: { 'Accept-Language': language } })
  return ((await answer.json()) as { data: Task }).data
}

test('a task that lost some of its pictures says so, and is completed all the same', async () => {
  const lost = await made({ error: { at: 'after_completed' } }, { n: 3 })
  assert.deepEqual([lost.status, lost.result?.images.length, lost.progress.pictures], ['completed', 1, 1])
  assert.match(lost.error ?? '', /^1 of 3: \S+/)
  assert.match((await taskOf(lost.task_id, 'zh-CN')).error ?? '', /3 张中收到 1 张/)
  const fewer = await made({ deliver: 2, noUsage: true }, { n: 3, size: '1024x1024' })
  assert.deepEqual([fewer.status, fewer.error], ['completed', '2 of 3 pictures came.'])
  assert.deepEqual([fewer.cost, fewer.estimate], [null, 0.268], 'what was not made is not estimated')
  const refused = await made({ reply: 'moderation' })
  assert.deepEqual([refused.charged, refused.estimate], ['no', 0])
  assert.equal((await made({})).error, null)
})

test('what the gateway says of a picture is told beside what was asked for', async () => {
  const { result } = await made({ facts: { quality: 'low', model: 'gpt-image-2-codex' } }, { quality: 'high' })
  const [picture] = result!.images
  assert.partialDeepStrictEqual(picture!.returned, { quality: 'low', model: 'gpt-image-2-codex', size: '512x384' })
  assert.equal(picture!.revised_prompt, null)
})

test('a picture keeps its number when another goes into the trash, and when one could not be shown', async () => {
  const { task_id: id, result } = await made({}, { n: 3 })
  const bytes = await Promise.all(
    [0, 1, 2].map(async index => (await get(`${API}/tasks/${id}/download?index=${index}`)).bytes()),
  )
  assert.deepEqual(
    result!.images.map(({ index }) => index),
    [0, 1, 2],
  )
  await owner.post(`/library/${result!.images[0]!.id}/delete`)

  const after = await taskOf(id)
  assert.deepEqual(
    after.result!.images.map(({ index }) => index),
    [1, 2],
  )
  assert.match(after.result!.images[0]!.image_url, /index=1$/)
  assert.equal((await get(`${API}/tasks/${id}/download?index=0`)).status, 404)
  for (const index of [1, 2]) {
    const answer = await get(`${API}/tasks/${id}/download?index=${index}`)
    assert.match(answer.headers.get('content-disposition')!, new RegExp(`-${index + 1}\\.png`))
    assert.deepEqual(await answer.bytes(), bytes[index])
  }
  await owner.post(`/library/${result!.images[0]!.id}/restore`)
  assert.equal((await get(`${API}/tasks/${id}/download?index=0`)).status, 200)
})

test('what came of a task that failed can be downloaded, and says what it is', async () => {
  const broken = await made({ picture: 'not_an_image' })
  assert.deepEqual([broken.status, broken.result], ['failed', null])
  assert.deepEqual(
    broken.kept.map(({ index, condition }) => [index, condition]),
    [[0, 'undecodable']],
  )
  const bytes = await get(`${API}/tasks/${broken.task_id}/download?index=0`)
  assert.match(bytes.headers.get('content-disposition')!, /^attachment; filename=.*-1-undecodable\.bin$/)
  assert.equal(bytes.headers.get('content-type'), 'application/octet-stream')
  assert.match(await bytes.text(), /^<html>/)

  const cut = await made({ end: 'before_completed' })
  const [preview] = cut.kept
  assert.deepEqual([cut.status, preview?.condition, preview?.index], ['failed', 'preview', 1])
  const shown = await get(preview!.image_url)
  assert.deepEqual([shown.status, shown.headers.get('content-type')], [200, 'image/png'])
  assert.match(shown.headers.get('content-disposition')!, /-2-preview\.png/)
  assert.equal((await get(`${API}/tasks/${cut.task_id}/download?index=0`)).status, 409)

  const gif = (await made({ picture: 'gif' })).result!.images[0]!
  assert.deepEqual([gif.mime_type, gif.condition], ['image/png', 'whole'])
  assert.equal((await get(gif.original_url!)).headers.get('content-type'), 'image/gif')

  const other = { Authorization: `Bearer ${await tokenOf(app, await boundKey(app, await charlie(app)))}` }
  for (const address of [preview!.image_url, `${API}/tasks/${cut.task_id}/thumbnail?index=1`, gif.original_url!]) {
    assert.equal((await get(address, { headers: other })).status, 404, address)
  }
})

test('an outage of the store is answered as what it is, on every address of bytes', async () => {
  const { task_id: id, result } = await made({ picture: 'gif' })
  const { rows } = await app.db.pool.query<{ token: string }>('select token from pictures where id = $1', [
    result!.images[0]!.id,
  ])
  const { token } = rows[0]!
  const api = [
    `${API}/tasks/${id}/download`,
    `${API}/tasks/${id}/download?original=1`,
    `${API}/tasks/${id}/thumbnail`,
    `/api/playground/assets/${token}?download=1`,
  ]
  const pages = [`/files/${token}`, `/files/${token}/thumb`, `/files/${token}/original`]
  const etags = await Promise.all(
    api.map(async address => {
      const there = await get(address)
      assert.match(there.headers.get('content-type')!, /^image\//, address)
      return there.headers.get('etag')!
    }),
  )
  const folder = path.join(app.config.dataDirectory, 'assets')
  await rename(folder, `${folder}-away`)
  await writeFile(folder, 'a file where a folder should be')
  try {
    for (const more of [{}, { method: 'HEAD' }, { headers: { Range: 'bytes=0-9' } }]) {
      for (const address of api) {
        const answer = await get(address, more)
        assert.equal(answer.status, 503, address)
        assert.match(answer.headers.get('content-type')!, /^application\/json/, address)
        for (const name of ['content-disposition', 'etag', 'accept-ranges', 'content-range']) {
          assert.equal(answer.headers.get(name), null, `${name} of ${address}`)
        }
        assert.equal(answer.headers.get('cache-control'), 'no-store')
        assert.equal(answer.headers.get('retry-after'), '5')
        if (!('method' in more)) assert.equal(((await answer.json()) as { code: number }).code, 503)
      }
      for (const address of pages) {
        const answer = 'method' in more ? await owner.head(address) : await owner.get(address, more)
        assert.equal(answer.status, 503, address)
        assert.match(answer.headers['content-type']!, /^text\/html/, address)
        assert.equal(answer.headers['retry-after'], '5')
        assert.equal(answer.headers['content-disposition'], undefined)
        assert.doesNotMatch(answer.headers['content-security-policy']!, /sandbox/)
      }
    }
    for (const [at, address] of api.entries()) {
      const headers = { ...authorization, 'If-None-Match': etags[at]! }
      const known = await app.browser().get(address, { headers })
      assert.equal(known.status, 304, 'what the reader has needs no store')
      assert.equal(known.headers['content-disposition'], undefined)
    }
  } finally {
    await rm(folder)
    await rename(`${folder}-away`, folder)
  }
  assert.equal((await get(api[0]!)).status, 200)
})
