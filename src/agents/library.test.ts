import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { z } from 'zod'
import { boundKey, tokenOf } from '../testing/agents.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture, makePictures } from '../testing/pictures.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

const API = '/api/playground/ssh'
let app: TestApp
before(async () => {
  app = await testApp()
})

interface Answer {
  status: number
  body: unknown
  data: Record<string, unknown>
  reason: string | undefined
  field: string | undefined
}

/** A script of this person's. */
async function scriptOf(person: Person) {
  const key = await boundKey(app, person)
  const headers = { Authorization: `Bearer ${await tokenOf(app, key)}` }
  const fetched = (path: string, more: RequestInit = {}) =>
    fetch(`${app.url}${path.startsWith('/') ? '' : `${API}/`}${path}`, {
      ...more,
      headers: { ...headers, ...(more.headers as object) },
    })
  const ask = async (path: string, body?: object): Promise<Answer> => {
    const res = await fetched(path, body ? { method: 'POST', body: JSON.stringify(body) } : {})
    const json = (await res.json()) as Partial<Answer>
    return { status: res.status, body: json, data: json.data ?? {}, reason: json.reason, field: json.field }
  }
  return {
    key,
    fetched,
    ask,
    async find(query: Record<string, string> = {}) {
      const { status, data } = await ask(`library?${new URLSearchParams(query)}`)
      assert.equal(status, 200)
      return data as { pictures: Found[]; next_cursor: string | null }
    },
    change: (body: object) => ask('library/changes', body),
    /** Makes a picture by a task. */
    async make(prompt: string): Promise<string> {
      const id = String((await ask('tasks', { prompt })).data.task_id)
      await until('the task', async () => (await ask(`tasks/${id}`)).data.status === 'completed')
      const [made] = (await this.find({ q: prompt })).pictures
      return made!.id
    },
  }
}

interface Found {
  id: string
  prompt: string
  tags: string[]
  folder: { name: string } | null
  favourite: boolean
  image_url: string
  thumbnail_url: string
  asset_token: string
}

test('a script finds what the page finds, by the same filters, page after page', async () => {
  const owner = await alice(app)
  const pictures = await makePictures(app, owner, { prompt: 'a heron of the script', n: '3' })
  const other = await makePicture(app, owner, 'a kingfisher')
  await owner.post('/library/selection', { act: 'move', id: pictures[0]!.id, folder: 'Birds' })
  await owner.post('/library/selection', { act: 'tag', id: pictures[1]!.id, tags: 'blue' })
  await owner.post(`/library/${pictures[1]!.id}/favourite`, { favourite: 'on' })
  const script = await scriptOf(owner)
  const page = await owner.get('/library?q=heron')
  const { folders } = (await script.ask('library/names')).data as { folders: { id: string; name: string }[] }
  const folder = folders.find(({ name }) => name === 'Birds')!.id

  const onPage = async (query: Record<string, string>) => {
    const { html } = await owner.get(`/library?${new URLSearchParams(query)}`)
    return html.querySelectorAll('.cell').map(({ id }) => id.slice('picture-'.length))
  }
  for (const query of [
    {},
    { q: 'heron' },
    { q: 'birds' },
    { tag: 'BLUE' },
    { folder },
    { folder: 'none', sort: 'oldest' },
    { favourite: 'on' },
    { kind: 'uploaded' },
    { kind: 'all', model: 'gpt-image-2', quality: 'high', size: '1024x1024' },
    { from: '2020-01-01', until: '2020-02-01', time_zone: 'Asia/Tokyo' },
    { cost_from: '0', sort: 'costliest' },
    { q: '%_"\u{1f9a9}\\' },
  ] as Record<string, string>[]) {
    const { time_zone: _, ...same } = query
    const found = (await script.find(query)).pictures.map(({ id }) => id)
    assert.deepEqual(found, await onPage(same), JSON.stringify(query))
  }
  assert.equal(page.html.querySelectorAll('.cell').length, 3)

  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const part = await script.find({ limit: '1', ...(cursor && { cursor }) })
    seen.push(...part.pictures.map(({ id }) => id))
    cursor = part.next_cursor
  }
  assert.deepEqual(seen, await onPage({}))
  assert.equal(seen[0], other.id)
  const months = (await script.ask('library/months?q=heron')).data
  assert.equal(months.total, 3)
})

test('a filter that cannot be meant so is refused, rather than something else found', async () => {
  const { ask } = await scriptOf(await alice(app))
  for (const [query, field] of [
    ['foldr=none', 'foldr'],
    ['folder=x', 'folder'],
    ['kind=everything', 'kind'],
    ['from=yesterday', 'from'],
    ['size=big', 'size'],
    ['cost_from=-1', 'cost_from'],
    ['favourite=yes', 'favourite'],
    ['sort=best', 'sort'],
    ['limit=101', 'limit'],
    ['cursor=x', 'cursor'],
    ['time_zone=Mars', 'time_zone'],
  ] as const) {
    const refused = await ask(`library?${query}`)
    assert.deepEqual([refused.status, refused.reason, refused.field], [400, 'invalid_field', field], query)
  }
})

test('one picture comes with all that was asked, returned and paid, and with what it came from', async () => {
  const owner = await alice(app)
  const source = await makePicture(app, owner, 'a source')
  const [edited] = await makePictures(app, owner, { prompt: 'an edit of it', reference: source.token })
  const script = await scriptOf(owner)
  const picture = await until('the cost', async () => {
    const { data } = await script.ask(`library/${edited!.id}`)
    return data.cost !== null && data
  })
  assert.partialDeepStrictEqual(picture, {
    kind: 'made',
    prompt: 'an edit of it',
    asked: { model: 'gpt-image-2', size: '1024x1024', quality: 'high', n: 1, format: 'png' },
    returned: { size: '1024x1024' },
    made_from: [{ id: source.id, steps: 1 }],
    made_into: [],
    task_id: edited!.jobId,
    asset_token: edited!.token,
  })
  const { data } = await script.ask(`library/${source.id}`)
  assert.partialDeepStrictEqual(data, { made_into: [{ id: edited!.id }] })
})

test('a script files, tags and stars whatever is there, and can take it back', async () => {
  const owner = await alice(app)
  const [one, two] = await makePictures(app, owner, { prompt: 'to be filed', n: '2' })
  const script = await scriptOf(owner)
  const ids = [one!.id, two!.id, randomUUID()]
  const tagged = await script.change({ did: 'tag', ids, tags: ['#Night', '夜'] })
  assert.deepEqual([tagged.status, tagged.data.count], [200, 2])
  await script.change({ did: 'move', ids: [one!.id], folder: 'New <b>' })
  await script.change({ did: 'favourite', ids: [two!.id] })
  const found = (await script.find({ tag: 'night', sort: 'oldest' })).pictures
  assert.deepEqual(
    found.map(({ tags, folder, favourite }) => [tags.toSorted(), folder?.name ?? null, favourite]),
    [
      [['Night', '夜'], 'New <b>', false],
      [['Night', '夜'], null, true],
    ],
  )
  await script.change({ did: 'untag', ids: [two!.id], tags: ['夜'] })
  await script.change({ did: 'move', ids: [one!.id], folder: '' })
  assert.equal((await script.ask(`library/changes/${String(tagged.data.change_id)}/undo`, {})).status, 200)
  assert.equal((await script.ask(`library/changes/${String(tagged.data.change_id)}/undo`, {})).status, 404)
  assert.deepEqual((await script.find({ tag: 'night' })).pictures, [])
  assert.equal((await owner.get(`/library/${one!.id}`)).status, 200)

  for (const [body, field] of [
    [{ did: 'tag', ids: [one!.id] }, 'tags'],
    [{ did: 'move', ids: [one!.id] }, 'folder'],
    [{ did: 'burn', ids: [one!.id] }, 'did'],
    [{ did: 'favourite', ids: [] }, 'ids'],
    [{ did: 'favourite', ids: ['x'] }, 'ids[0]'],
    [{ did: 'favourite', ids: Array.from({ length: 1001 }, () => one!.id) }, 'ids'],
  ] as const) {
    const refused = await script.change(body)
    assert.deepEqual([refused.status, refused.field], [400, field], JSON.stringify(body).slice(0, 80))
  }
  assert.equal((await script.change({ did: 'tag', ids: [one!.id], tags: ['x'.repeat(33)] })).status, 400)
})

test('a script deletes only what it made itself; from the trash it brings anything back', async () => {
  const owner = await alice(app)
  const hers = await makePicture(app, owner, 'made by a person')
  const script = await scriptOf(owner)
  const another = await scriptOf(owner)
  const own = await script.make('made by the script')
  for (const ids of [[hers.id], [own, hers.id]]) {
    const refused = await script.change({ did: 'delete', ids })
    assert.deepEqual([refused.status, refused.reason], [403, 'made_by_others'])
  }
  assert.equal((await another.change({ did: 'delete', ids: [own] })).status, 403)
  assert.equal((await script.change({ did: 'delete', ids: [own] })).data.count, 1)
  await owner.post(`/library/${hers.id}/delete`)
  const trash = (await script.ask('library/trash')).data as { pictures: Found[] }
  assert.deepEqual(
    trash.pictures.map(({ id }) => id),
    [hers.id, own],
  )
  assert.equal((await another.change({ did: 'restore', ids: [own, hers.id] })).data.count, 2)
  assert.deepEqual(((await script.ask('library/trash')).data as { pictures: Found[] }).pictures, [])
})

test('bytes come whole, in part, as headers alone, small, or as a copy in another format', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'bytes for a script')
  const script = await scriptOf(owner)
  const [found] = (await script.find({ q: 'bytes' })).pictures
  const whole = await script.fetched(found!.image_url)
  const { body: kept } = await owner.get(`/files/${picture.token}`)
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), kept)
  assert.match(whole.headers.get('content-disposition')!, /bytes-for-a-script\.png/)
  const part = await script.fetched(found!.image_url, { headers: { Range: 'bytes=2-5' } })
  assert.deepEqual([part.status, Buffer.from(await part.arrayBuffer())], [206, kept.subarray(2, 6)])
  const head = await script.fetched(found!.image_url, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(kept.length)])
  assert.equal((await script.fetched(found!.thumbnail_url)).headers.get('content-type'), 'image/webp')
  const copy = await script.fetched(`${found!.image_url}?format=webp`)
  assert.equal((await sharp(Buffer.from(await copy.arrayBuffer())).metadata()).format, 'webp')
  assert.match(copy.headers.get('content-disposition')!, /\.webp/)
  assert.equal((await script.fetched(`${found!.image_url}?format=gif`)).status, 400)
})

test('charlie’s scripts, a browser, a revoked key and nobody find nothing of alice’s', async () => {
  const owner = await alice(app)
  const script = await scriptOf(owner)
  const picture: MadePicture = await makePicture(app, owner, 'hers alone')
  const { data } = await script.change({ did: 'tag', ids: [picture.id], tags: ['mine'] })
  const stranger = await scriptOf(await charlie(app))
  assert.deepEqual((await stranger.find({ kind: 'all' })).pictures, [])
  assert.deepEqual((await stranger.ask('library/names')).data, { folders: [], tags: [] })
  assert.equal((await stranger.ask('library/months')).data.total, 0)
  const named = [`library/${picture.id}`, `library/${picture.id}/download`, `library/${picture.id}/thumbnail`]
  for (const path of [...named, 'library/x', 'library/x/download']) {
    assert.deepEqual([(await stranger.ask(path)).status, path], [404, path])
  }
  for (const did of ['favourite', 'delete', 'restore']) {
    assert.equal((await stranger.change({ did, ids: [picture.id] })).status, 404, did)
  }
  assert.equal((await stranger.ask(`library/changes/${String(data.change_id)}/undo`, {})).status, 404)

  const unsigned = [...named, 'library', 'library/months', 'library/names', 'library/trash']
  for (const path of unsigned) {
    assert.equal((await owner.get(`${API}/${path}`)).status, 401, path)
  }
  await app.db.run('update ssh_keys set revoked_at = now() where user_id = (select id from users where email = $1)', [
    owner.email,
  ])
  for (const path of unsigned) assert.equal((await script.fetched(path)).status, 401, path)
  assert.equal((await script.fetched('library/changes', { method: 'POST', body: '{}' })).status, 401)
})

test('the OpenAPI document describes what the library answers', async () => {
  const owner = await alice(app)
  const source = await makePicture(app, owner, 'described')
  await makePictures(app, owner, { prompt: 'described again', reference: source.token })
  const script = await scriptOf(owner)
  const Document = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
  const { paths } = Document.parse((await script.ask('/api/playground/openapi.json')).body)
  const Operation = z.object({
    responses: z.record(z.string(), z.object({ content: z.record(z.string(), z.object({ schema: z.unknown() })) })),
  })
  const check = (path: string, method: string, { status, body }: Answer) => {
    assert.equal(status, 200)
    const { schema } = Operation.pick({ responses: true }).parse({
      responses: { 200: (paths[`${API}/${path}`]![method] as { responses: object[] }).responses[200] },
    }).responses[200]!.content['application/json']!
    z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]).parse(body)
  }
  check('library', 'get', await script.ask('library?limit=1'))
  check('library/months', 'get', await script.ask('library/months'))
  check('library/{id}', 'get', await script.ask(`library/${source.id}`))
  const changed = await script.change({ did: 'tag', ids: [source.id], tags: ['x'] })
  check('library/changes', 'post', changed)
  check('library/names', 'get', await script.ask('library/names'))
  await owner.post(`/library/${source.id}/delete`)
  check('library/trash', 'get', await script.ask('library/trash'))
  check(
    'library/changes/{id}/undo',
    'post',
    await script.ask(`library/changes/${String(changed.data.change_id)}/undo`, {}),
  )
})
