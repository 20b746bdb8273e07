import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import type { Page } from '../testing/browser.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type MadePicture, makePicture, makePictures } from '../testing/pictures.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('the library shows what was made, newest first', async () => {
  const owner = await alice(app)
  const first = await makePicture(app, owner, 'a heron')
  const [second, third] = await makePictures(app, owner, { prompt: 'two otters', n: '2' })

  const library = await owner.get('/library')

  assert.equal(library.status, 200)
  assert.deepEqual(idsOn(library), [third!.id, second!.id, first.id])
  const tile = library.html.querySelector(`#picture-${first.id}`)!
  assert.equal(tile.querySelector('img')?.getAttribute('src'), `/files/${first.token}/thumb`)
  assert.equal(tile.querySelector('img')?.getAttribute('alt'), 'a heron')
})

test("charlie sees nothing of alice's library", async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a private heron')
  const stranger = await charlie(app)

  assert.deepEqual(idsOn(await stranger.get('/library')), [])
  assert.deepEqual(idsOn(await stranger.get(`/library?undo=${picture.id}`)), [])
  assert.equal((await stranger.get(`/library/${picture.id}`)).status, 404)
  assert.equal((await stranger.get(`/library/${picture.id}`, { htmx: true })).status, 404)
  assert.doesNotMatch((await stranger.get('/images')).text, /private heron/)
})

test('charlie can change nothing in it', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron that stays')
  const stranger = await charlie(app)

  for (const htmx of [true, false]) {
    assert.equal((await stranger.post(`/library/${picture.id}/favourite`, { favourite: 'on' }, { htmx })).status, 404)
    assert.equal((await stranger.post(`/library/${picture.id}/delete`, {}, { htmx })).status, 404)
    assert.equal((await stranger.post(`/library/${picture.id}/restore`, {}, { htmx })).status, 404)
  }

  assert.deepEqual(await rowOf(picture), { favourite: false, deleted: false })
})

test('a guest is sent to sign in and back', async () => {
  const picture = await makePicture(app, await alice(app), 'a heron')
  const guest = app.browser()

  for (const path of ['/library', '/library/trash', `/library/${picture.id}`]) {
    const answer = await guest.get(path)
    assert.equal(answer.status, 303)
    assert.equal(new URL(answer.location, app.url).searchParams.get('next'), path)
  }
  assert.equal((await guest.post(`/library/${picture.id}/delete`)).status, 303)
  assert.deepEqual(await rowOf(picture), { favourite: false, deleted: false })
})

test('what is no id of a picture is not found', async () => {
  const owner = await alice(app)
  for (const id of [
    '1',
    'trash2',
    '%00',
    "'",
    randomUUID(),
    randomUUID().slice(0, -1),
    '-'.repeat(36),
    'a'.repeat(10_000),
  ]) {
    assert.equal((await owner.get(`/library/${id}`)).status, 404, id.slice(0, 40))
    assert.equal((await owner.post(`/library/${id}/delete`)).status, 404, id.slice(0, 40))
  }
})

test('every picture is on exactly one page, though many were made in the same millisecond', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'the first of many')
  await copies(token, 149, () => '2026-11-23T08:00:00.123Z')

  const { ids, pages } = await walk(owner, '/library')

  assert.equal(pages, 3)
  assert.equal(ids.length, 150)
  assert.equal(new Set(ids).size, 150)
})

test('a page of the trash begins where the one before it ended', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'the last one kept')
  await copies(token, 130, index => new Date(1.7e12 + index).toISOString())
  await app.db.run(`update pictures set deleted_at = '2026-11-23T08:00:00.500Z' where token = $1 and prompt = 'copy'`, [
    token,
  ])

  const seen: string[] = []
  let next: string | null = '/library/trash'
  for (; next; ) {
    const page: Page = await owner.get(next)
    seen.push(...page.html.querySelectorAll('.cell form').map(form => form.getAttribute('action')!))
    next = page.html.querySelector('.older a')?.getAttribute('href') ?? null
  }

  assert.equal(seen.length, 130)
  assert.equal(new Set(seen).size, 130)
  assert.equal(idsOn(await owner.get('/library')).length, 1)
})

test('a page that was asked for with nonsense begins at the beginning', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')

  const id = randomUUID()
  const endOfTime = (8.64e15).toString(36)
  for (const before of [
    '',
    'x',
    `0.${id}`,
    `zzzzzzzzzzz.${id}`,
    `${endOfTime}.${id}`,
    `1.${id}%00`,
    `1.${id}&before=1`,
  ]) {
    const page = await owner.get(`/library?before=${before}`)
    assert.equal(page.status, 200, before)
  }
  assert.deepEqual(idsOn(await owner.get('/library?before=nonsense')), [picture.id])
})

test("a picture's page leads to the ones made before and after it, and never to deleted ones", async () => {
  const owner = await alice(app)
  const [oldest, deleted, middle, newest] = await makePictures(app, owner, { prompt: 'herons', n: '4' })
  await owner.post(`/library/${deleted!.id}/delete`)

  const page = await owner.get(`/library/${middle!.id}`)

  assert.equal(page.html.querySelector('a[rel="prev"]')?.getAttribute('href'), `/library/${newest!.id}`)
  assert.equal(page.html.querySelector('a[rel="next"]')?.getAttribute('href'), `/library/${oldest!.id}`)
  const ends = [await owner.get(`/library/${newest!.id}`), await owner.get(`/library/${oldest!.id}`)]
  assert.equal(ends[0]!.html.querySelector('a[rel="prev"]'), null)
  assert.equal(ends[1]!.html.querySelector('a[rel="next"]'), null)
})

test('neighbours of pictures made in the same millisecond form one chain', async () => {
  const owner = await alice(app)
  const { token } = await makePicture(app, owner, 'one of a chain')
  await copies(token, 9, () => '2026-11-23T08:00:00.123Z')

  const { ids } = await walk(owner, '/library')
  const chain = ids.slice(0, 1)
  for (let next = ids[0]; next; ) {
    const page: Page = await owner.get(`/library/${next}`)
    next = page.html.querySelector('a[rel="next"]')?.getAttribute('href')?.slice('/library/'.length)
    if (next) chain.push(next)
  }

  assert.equal(chain.length, 10)
  assert.deepEqual(chain, ids)
})

test("a picture's page tells the prompt, the size it has and the job that made it", async () => {
  const owner = await alice(app)
  app.mock.control.fault({ match: { prompt: 'a small' }, size: '1280x1024' })
  const [picture] = await makePictures(app, owner, { prompt: 'a small <heron>' })

  const page = await owner.get(`/library/${picture!.id}`)

  assert.equal(page.html.querySelector('.facts-prompt')?.textContent, 'a small <heron>')
  const facts = page.html.querySelector('.facts dl')!.textContent
  assert.match(facts, /1280 × 1024/)
  assert.match(facts, /1024 × 1024/)
  assert.ok(page.html.querySelector(`a[href="/images/${picture!.jobId}"]`))
  const original = page.html.querySelector(`#original-${picture!.id}`)!
  assert.deepEqual([original.getAttribute('width'), original.getAttribute('height')], ['1280', '1024'])
})

test('favourites are a list of their own', async () => {
  const owner = await alice(app)
  const [liked, other] = await makePictures(app, owner, { prompt: 'herons', n: '2' })

  const tile = await owner.post(`/library/${liked!.id}/favourite`, { favourite: 'on' }, { htmx: true })

  assert.equal(tile.html.querySelector('form.favourite button')?.getAttribute('aria-pressed'), 'true')
  assert.deepEqual(idsOn(await owner.get('/library?filter=favourites')), [liked!.id])
  assert.deepEqual(idsOn(await owner.get('/library')), [other!.id, liked!.id])
})

test('a favourite that is set twice stays one, and goes when it is unset', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')

  for (let times = 0; times < 2; times++) {
    const answer = await owner.post(`/library/${picture.id}/favourite`, { favourite: 'on' })
    assert.equal(answer.location, `/library/${picture.id}`)
    assert.deepEqual(await rowOf(picture), { favourite: true, deleted: false })
  }
  await owner.post(`/library/${picture.id}/favourite`, { favourite: 'off' })
  assert.deepEqual(await rowOf(picture), { favourite: false, deleted: false })
  assert.equal((await owner.post(`/library/${picture.id}/favourite`, { favourite: 'perhaps' })).status, 400)
})

test('a deleted picture goes to the trash, can be brought back at once, and is as it was', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')
  await owner.post(`/library/${picture.id}/favourite`, { favourite: 'on' })

  const gone = await owner.open((await owner.post(`/library/${picture.id}/delete`)).location)

  assert.deepEqual(idsOn(gone), [])
  const undo = gone.html.querySelector('form[role="status"]')!.getAttribute('action')!
  assert.match(undo, /^\/library\/changes\/[\w-]+\/undo$/)
  const restore = `/library/${picture.id}/restore`
  assert.match((await owner.get('/library/trash')).text, new RegExp(restore))
  await owner.post(undo)
  assert.deepEqual(idsOn(await owner.get('/library?filter=favourites')), [picture.id])
  assert.doesNotMatch((await owner.get('/library/trash')).text, new RegExp(restore))
})

test('with htmx the tile of a deleted picture turns into its undo, and back', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')

  const deleted = await owner.post(`/library/${picture.id}/delete`, {}, { htmx: true })
  const undo = deleted.html.querySelector(`#picture-${picture.id} form`)!.getAttribute('hx-post')!
  assert.equal(deleted.html.querySelector('img'), null)
  const restored = await owner.post(undo, {}, { htmx: true })

  assert.ok(restored.html.querySelector(`#picture-${picture.id} img`))
})

test('deleting again does not keep a picture longer', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')
  await app.db.run(`update pictures set deleted_at = '2026-01-01' where id = $1`, [picture.id])

  await owner.post(`/library/${picture.id}/delete`)

  const { rows } = await app.db.pool.query(`select deleted_at from pictures where id = $1`, [picture.id])
  assert.equal((rows[0] as { deleted_at: Date }).deleted_at.getUTCMonth(), 0)
})

test('every page also answers HEAD', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron')
  for (const path of ['/library', '/library/trash', `/library/${picture.id}`, '/images', '/account']) {
    const answer = await owner.head(path)
    assert.equal(answer.status, 200, path)
    assert.equal(answer.body.length, 0, path)
  }
})

/** More pictures of the same bytes, made when `at` says. */
async function copies(token: string, count: number, at: (index: number) => string): Promise<void> {
  const times = Array.from({ length: count }, (_, index) => at(index))
  await app.db.run(
    `insert into pictures (user_id, token, job_id, position, model, prompt, requested_size, quality, created_at, width, height, bytes)
     select user_id, token, gen_random_uuid(), 0, model, 'copy', requested_size, quality, time.at, width, height, bytes
     from (select * from pictures where token = $1 limit 1) p, unnest($2::timestamptz[]) as time(at)`,
    [token, times],
  )
  await app.db.run(`update pictures set created_at = $2 where token = $1 and prompt <> 'copy'`, [token, at(0)])
}

/** Follows the link to older pictures to the end, as htmx does. */
async function walk(person: Person, url: string): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = []
  let pages = 0
  for (let next: string | undefined = url; next; pages++) {
    const page: Page = await person.get(next, { htmx: true })
    ids.push(...idsOn(page))
    next = page.html.querySelector('#older a')?.getAttribute('hx-get')
  }
  return { ids, pages }
}

function idsOn(page: Page): string[] {
  return page.html.querySelectorAll('[id^="picture-"]').map(tile => tile.id.slice('picture-'.length))
}

async function rowOf(picture: MadePicture): Promise<{ favourite: boolean; deleted: boolean }> {
  const { rows } = await app.db.pool.query<{ favourite: boolean; deleted: boolean }>(
    `select favourite, deleted_at is not null as deleted from pictures where id = $1`,
    [picture.id],
  )
  return rows[0]!
}
