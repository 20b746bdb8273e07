import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import type { Page } from '../testing/browser.ts'
import { changeIn, countOf, everything, hoarder, pagesOnly } from '../testing/doomed.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { plansOf } from '../testing/plans.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { newToken } from './keep.ts'
import { ClaimedChange, doPart } from './long-change-queries.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const words: [says: string, prompt: string, found: string[], missed: string[]][] = [
  ['a part of a word', 'A lighthouse in the rain', ['house', 'LIGHT', 'rain light'], ['snow', 'rain snow']],
  ['one Chinese character', '一只猫坐在窗台上', ['猫', '窗台', '猫 窗'], ['狗', '台窗']],
  ['what LIKE takes for itself', String.raw`save 50%_off \ here`, ['50%', '%_', '\\', '0%_o'], ['5%0', '%off', '__']],
  ['quotes', `an "owl's" nest`, ['"owl', `'s"`], ['""']],
  ['an emoji', 'a 🦊 and a 👩‍🚀', ['🦊', '👩‍🚀'], ['🐺', '🦊 🐺']],
  ['one composed or not', 'cafe\u0301 terrace', ['caf\u00e9', 'cafe\u0301', 'CAF\u00c9'], ['cafè']],
  ['marks of direction or not', 'a \u200fשלום\u200e sign', ['שלום sign', '\u200fשלום', 'שלו'], ['םולש']],
  ['wide letters', 'ＦＯＸ at night', ['fox', 'ｆｏｘ'], ['ｗｏｌｆ']],
  ['a NUL in it', 'a plain heron', ['her\0on', 'heron\0'], ['\0crane']],
]
for (const [says, prompt, found, missed] of words) {
  test(`a search finds ${says}`, async () => {
    const owner = await alice(app)
    const [picture] = await keep(owner, [{ prompt }, { prompt: 'something else' }])
    for (const q of found) assert.deepEqual(idsOn(await search(owner, { q })), [picture], q)
    for (const q of missed) assert.deepEqual(idsOn(await search(owner, { q })), [], q)
  })
}

test('a search also finds what the model made of the prompt, and names of tags and folders', async () => {
  const owner = await alice(app)
  const [revised, tagged, filed] = await keep(owner, [
    { prompt: 'a', revised: 'A watercolour of a heron' },
    { prompt: 'b' },
    { prompt: 'c' },
    { prompt: 'd' },
  ])
  await owner.post('/library/selection', { act: 'tag', id: tagged!, tags: 'Herons, 水鸟' })
  await owner.post('/library/selection', { act: 'move', id: filed!, folder: 'My heronry' })

  assert.deepEqual(idsOn(await search(owner, { q: 'heron' })).toSorted(), [revised!, tagged!, filed!].toSorted())
  assert.deepEqual(idsOn(await search(owner, { q: '鸟' })), [tagged])
  assert.deepEqual(idsOn(await search(owner, { q: 'heron b' })), [tagged])
})

test('each filter narrows the list, its count and its months alike', async () => {
  const owner = await alice(app)
  const base = { model: 'gpt-image-2', quality: 'high', at: '2026-05-05T12:00:00Z' }
  const [one, two, three] = await keep(owner, [
    { ...base, cost: 0.2 },
    { ...base, model: 'gpt-image-3', quality: 'low', width: 800, height: 600, at: '2026-06-30T23:30:00Z' },
    { ...base, origin: 'composed', at: '2025-01-01T00:00:00Z' },
    { ...base, origin: 'uploaded' },
  ])
  const upload = (await ids(owner)).find(id => ![one, two, three].includes(id))
  const cases: [Record<string, string>, (string | undefined)[]][] = [
    [{}, [two, one, three]],
    [{ sort: 'oldest' }, [three, one, two]],
    [{ kind: 'uploaded' }, [upload]],
    [{ kind: 'made' }, [two, one]],
    [{ kind: 'composed' }, [three]],
    [{ model: 'gpt-image-3' }, [two]],
    [{ quality: 'high' }, [one, three]],
    [{ size: '800x600' }, [two]],
    [{ from: '2026-05-05', until: '2026-05-05' }, [one]],
    [{ from: '2026-07-01' }, []],
    [{ cost_from: '0.1', cost_until: '0.3' }, [one]],
    [{ cost_from: '0.3' }, []],
    [{ sort: 'costliest', kind: 'made' }, [one, two]],
    [
      { kind: 'nonsense', size: '1', from: 'then', sort: 'best', cost_from: '-1', tag: '', folder: 'x' },
      [two, one, three],
    ],
  ]
  for (const [query, expected] of cases) {
    const page = await search(owner, query)
    assert.deepEqual(idsOn(page), expected, JSON.stringify(query))
    const months = page.html.querySelectorAll('#dates a small').map(count => Number(count.text))
    assert.equal(sum(months), expected.length, `months of ${JSON.stringify(query)}`)
    assert.match(page.html.querySelector('#total')!.text, new RegExp(`^${expected.length} `))
  }
})

test('days and months are those of the viewer', async () => {
  const owner = await alice(app)
  const [late] = await keep(owner, [{ at: '2026-06-30T23:30:00Z' }, { at: '2026-06-30T10:00:00Z' }])
  const headers = { Cookie: `sid=${owner.cookie('sid')}; tz=Asia%2FShanghai` }

  const page = await owner.get('/library', { headers })
  const months = page.html.querySelectorAll('#dates a').map(link => link.getAttribute('data-month'))
  assert.deepEqual(months, ['2026-07', '2026-06'])
  assert.equal(page.html.querySelectorAll('.day-head').length, 2)
  assert.deepEqual(idsOn(await owner.get('/library?from=2026-07-01', { headers })), [late])
  assert.deepEqual(idsOn(await owner.get('/library?from=2026-07-01')), [])
})

test('the list goes on by its links, comes back to where it was, and jumps to a month', async () => {
  const owner = await alice(app)
  const all = await keep(
    owner,
    Array.from({ length: 150 }, (_, index) => ({
      at: new Date(Date.UTC(2026, 5, 30) - index * 86_400_000).toISOString(),
    })),
  )
  const first = await owner.get('/library')
  assert.deepEqual(idsOn(first), all.slice(0, 60))
  const more = await owner.get(first.html.querySelector('#older a')!.getAttribute('hx-get')!, { htmx: true })
  assert.deepEqual(idsOn(more), all.slice(60, 120))
  assert.equal(more.html.querySelector('html'), null)
  const plain = await owner.get(first.html.querySelector('#older a')!.getAttribute('href')!)
  assert.deepEqual(idsOn(plain), all.slice(60, 120))
  assert.deepEqual(
    idsOn(await owner.get(plain.html.querySelector('.older a')!.getAttribute('href')!)),
    all.slice(0, 60),
  )
  const again = await owner.get(more.html.querySelector('#older')!.getAttribute('data-through')!)
  assert.deepEqual(idsOn(again), all.slice(0, 120))

  const april = await owner.get('/library?at=2026-04')
  assert.deepEqual(idsOn(april), all.slice(61, 121))
  const newer = await owner.get(april.html.querySelector('.older a')!.getAttribute('href')!)
  assert.deepEqual(idsOn(newer), all.slice(1, 61))
  const upwards = await owner.get('/library?at=2026-04&sort=oldest')
  assert.equal(idsOn(upwards)[0], all[90])
  for (const bad of ['at=2026-13', 'at=9999-99', 'before=x', `through=zzzzzzzzzzz.${randomUUID()}`, 'after=-1']) {
    assert.equal((await owner.get(`/library?${bad}`)).status, 200, bad)
  }
})

test('pages of a search, a tag and a folder meet without a gap, whether many match, few or only old ones', async () => {
  const owner = await alice(app)
  await fillFor(owner, 2500)
  // Made in the same millisecond; every third, every four-hundredth, and some behind all that is near.
  await app.db.run(
    `with numbered as (select p.id, row_number() over (order by p.created_at desc, p.id desc) as number
       from pictures p where user_id = (select id from users where email = $1)),
     night as (insert into tags (user_id, key, name) select id, 'night', 'Night' from users where email = $1)
     update pictures p set
       prompt = concat_ws(' ', p.prompt, case when number % 3 = 0 then 'often' end, case when number % 400 = 5 then 'seldom' end,
         case when number > 2400 then 'long ago' end),
       tags = case when number % 5 = 0 then array['night'] else '{}' end
     from numbered where numbered.id = p.id`,
    [owner.email],
  )
  for (const [query, where] of [
    ['q=often', `prompt like '%often%'`],
    ['q=seldom', `prompt like '%seldom%'`],
    ['q=ago', `prompt like '%ago%'`],
    ['q=often+ago', `prompt like '%often%ago%'`],
    ['q=night', `tags @> array['night']`],
    ['tag=night&q=often', `tags @> array['night'] and prompt like '%often%'`],
  ] as const) {
    const { rows } = await app.db.pool.query<{ id: string }>(
      `select id from pictures where user_id = (select id from users where email = $1) and ${where} order by created_at desc, id desc`,
      [owner.email],
    )
    const found: string[] = []
    for (let next: string | undefined = `/library?${query}`; next; ) {
      const page = await owner.get(next, { htmx: next.includes('part=older') })
      found.push(...idsOn(page))
      next = page.html.querySelector('#older a')?.getAttribute('hx-get')?.replaceAll('&amp;', '&')
    }
    assert.deepEqual(
      found,
      rows.map(({ id }) => id),
      query,
    )
  }
})

test('twenty tags of the longest kind are kept, found and counted', async () => {
  const owner = await alice(app)
  const [one] = await keep(owner, [{ prompt: 'one' }])
  const tags = Array.from({ length: 20 }, (_, each) => String.fromCodePoint(0x20000 + each * 97).repeat(32))
  const saved = await owner.post(`/library/${one}/details`, { folder: '', tags: tags.join(',') })
  assert.equal(saved.status, 303)
  const filters = await owner.get('/library/filters')
  for (const tag of tags) {
    assert.ok(filters.text.includes(tag))
    assert.deepEqual(idsOn(await search(owner, { tag })), [one])
  }
})

test('bytes that came twice are shown once, and go and come back together', async () => {
  const owner = await alice(app)
  const [first] = await keep(owner, [{ prompt: 'twins' }])
  await app.db.run(
    `insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes, is_copy)
     select user_id, token, model, prompt, requested_size, quality, width, height, bytes, true from pictures where id = $1`,
    [first],
  )
  assert.deepEqual(idsOn(await owner.get('/library')), [first])
  const gone = await owner.open((await owner.post('/library/selection', { act: 'delete', id: first! })).location)
  assert.deepEqual(idsOn(gone), [])
  await owner.post(gone.html.querySelector('form[role="status"]')!.getAttribute('action')!)
  assert.deepEqual(idsOn(await owner.get('/library')), [first])
})

test('pictures are tagged, moved, starred and deleted together, and all of it can be undone', async () => {
  const owner = await alice(app)
  const [one, two, three] = await keep(owner, [{ prompt: 'one' }, { prompt: 'two' }, { prompt: 'three' }])
  const both = `${one},${two}`
  const deeds: [fields: Record<string, string>, query: Record<string, string>][] = [
    [{ act: 'favourite' }, { favourite: 'on' }],
    [{ act: 'tag', tags: '#Night，灯塔' }, { tag: 'night' }],
    [{ act: 'tag', tags: 'night' }, { tag: 'NIGHT' }],
    [{ act: 'delete' }, { q: 'no such' }],
  ]
  for (const [fields, query] of deeds) {
    const done = await owner.open(
      (await owner.post('/library/selection', { ...fields, id: both, back: '/library' })).location,
    )
    const shown = fields.act === 'delete' ? await owner.get('/library') : await search(owner, query)
    assert.deepEqual(idsOn(shown), fields.act === 'delete' ? [three] : [one, two], JSON.stringify(fields))
    const undo = done.html.querySelector('form[role="status"]')!.getAttribute('action')!
    assert.equal((await owner.post(undo, { back: '/library?q=t' })).location, '/library?q=t')
    assert.equal((await owner.post(undo)).status, 404, 'a second time there is nothing to undo')
    const back = fields.act === 'delete' ? await owner.get('/library') : await search(owner, query)
    assert.deepEqual(idsOn(back), fields.act === 'delete' ? [one, two, three] : [], `undo of ${JSON.stringify(fields)}`)
  }
})

test('all that matches is what was there when the list was looked at, but for what was unticked', async () => {
  const owner = await alice(app)
  const [keeps, ...gone] = await keep(
    owner,
    Array.from({ length: 130 }, (_, i) => ({ prompt: 'heron', at: new Date(1.7e12 + i).toISOString() })).toReversed(),
  )
  const [other] = await keep(owner, [{ prompt: 'owl' }])
  const asOf = new Date().toISOString()
  const [later] = await keep(owner, [{ prompt: 'heron', at: new Date(Date.now() + 60_000).toISOString() }])

  const fields = { act: 'delete', all: 'on', as_of: asOf, except: keeps!, back: '/library?q=heron' }
  const answer = await owner.post('/library/selection', fields)

  assert.deepEqual((await ids(owner)).toSorted(), [keeps!, other!, later!].toSorted())
  const done = await owner.open(answer.location)
  assert.match(done.html.querySelector('form[role="status"]')!.text, new RegExp(`${gone.length}`))
})

test('ten thousand are changed part by part: how far is seen, also after a reload, and all of it is put back', async () => {
  const owner = await hoarder(app, 10_500)
  await app.db.run('analyze pictures')
  await app.db.run('analyze files')

  const tagged = await owner.post('/library/selection', everything({ act: 'tag', tags: 'many' }))
  const id = changeIn(app, tagged.location)
  const seen = new Set<string>()
  await until('the end of it', async () => {
    const page = await owner.get('/library')
    const progress = page.html.querySelector(`#change-${id} progress`)
    if (progress) seen.add(progress.getAttribute('value')!)
    return !progress
  })
  assert.ok(seen.size > 1, [...seen].join())
  assert.deepEqual(await countOf(app, owner), { tagged: 10_500, kept: 10_500 })
  assert.match((await owner.open(tagged.location)).html.querySelector('form[role="status"]')!.text, /10500|10,500/)
  await owner.post(`/library/changes/${id}/undo`)
  const undone = () => owner.get(`/library/changes/${id}`)
  await until('it to be put back', async () => /as it was before/.test((await undone()).text))
  assert.deepEqual(await countOf(app, owner), { tagged: 0, kept: 10_500 })
  assert.equal((await owner.post(`/library/changes/${id}/undo`)).status, 404)
})

test('a picture that gets its twentieth tag while thousands are tagged gets no more', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages)
  const { location } = await owner.post('/library/selection', everything({ act: 'tag', tags: 'many' }))
  const full = Array.from({ length: 20 }, (_, each) => `tag ${each}`)
  const { rows } = await pages.db.pool.query<{ id: string }>(`select id from pictures limit 1`)
  await owner.post(`/library/${rows[0]!.id}/details`, { folder: '', tags: full.join(',') })
  await pages.another({ role: 'worker' })
  await until('the end of it', async () => !(await owner.open(location)).html.querySelector('.change progress'))
  assert.deepEqual(await countOf(pages, owner), { tagged: 2599, kept: 2600 })
})

test('what is stopped half-way says how far it came, and only that is put back', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages)
  const { location } = await owner.post('/library/selection', everything({ act: 'delete' }))
  const id = changeIn(pages, location)
  const before = await owner.open(location)
  assert.match(before.text, /<noscript><meta http-equiv="refresh"/)
  // As a worker that has done its first part, and is slow.
  await pages.db.run(
    `update library_changes set state = 'running', claim = gen_random_uuid(), lease_until = now() + interval '1 hour' where id = $1`,
    [id],
  )
  const claimed = await pages.db.one(ClaimedChange, `select * from library_changes where id = $1`, [id])
  await pages.db.transaction(tx => doPart(tx, claimed))
  assert.deepEqual(await countOf(pages, owner), { tagged: 0, kept: 2100 })
  const stopped = await owner.post(`/library/changes/${id}/stop`, { back: '/library' })
  assert.equal(stopped.status, 303)
  assert.equal(await pages.db.transaction(tx => doPart(tx, claimed)), false)
  assert.match((await owner.open(stopped.location)).html.querySelector(`#change-${id}`)!.text, /500.*2,600/)
  assert.deepEqual(await countOf(pages, owner), { tagged: 0, kept: 2100 })

  await owner.post(`/library/changes/${id}/undo`)
  await pages.another({ role: 'worker' })
  await until('it to be put back', async () => (await countOf(pages, owner))!.kept === 2600)
  const stranger = await charlie(pages)
  for (const act of ['stop', 'undo']) {
    assert.equal((await stranger.post(`/library/changes/${id}/${act}`)).status, 404)
  }
  assert.equal((await stranger.get(`/library/changes/${id}`)).status, 404)
})

test('folders are made by moving, renamed, merged and deleted, and keep their pictures', async () => {
  const owner = await alice(app)
  const [one, two] = await keep(owner, [{ prompt: 'one' }, { prompt: 'two' }])
  await owner.post('/library/selection', { act: 'move', id: one!, folder: ' Night  walks ' })
  await owner.post('/library/selection', { act: 'move', id: two!, folder: 'Days' })
  await owner.post('/library/selection', { act: 'move', id: two!, folder: 'DAYS' })
  const [days, nights] = await folders(owner)
  assert.deepEqual([days!.name, nights!.name], ['Days', 'Night walks'])
  assert.deepEqual(idsOn(await owner.get(days!.href)), [two])

  assert.equal((await owner.post(`/library/folders/${days!.id}/name`, { name: 'night walks' })).status, 409)
  assert.equal((await owner.post(`/library/folders/${days!.id}/name`, { name: '\u200b' })).status, 422)
  assert.equal((await owner.post(`/library/folders/${days!.id}/name`, { name: 'x'.repeat(65) })).status, 422)
  assert.equal((await owner.post(`/library/folders/${days!.id}/cover`, { picture: one! })).status, 404)
  assert.equal((await owner.post(`/library/folders/${days!.id}/cover`, { picture: two! })).status, 303)
  await owner.post(`/library/folders/${days!.id}/name`, { name: '白天' })
  const merge = () => owner.post(`/library/folders/${days!.id}/merge`, { into: nights!.id })
  const merged = await merge()
  assert.deepEqual(idsOn(await owner.get(nights!.href)), [one, two])
  assert.equal((await folders(owner)).length, 1)
  const undo = async (page: Page) => owner.post(page.html.querySelector('form.change')!.getAttribute('action')!)
  await undo(await owner.open(merged.location))
  assert.deepEqual((await folders(owner)).map(({ name }) => name).toSorted(), ['Night walks', '白天'])
  assert.deepEqual(idsOn(await owner.get(days!.href)), [two])
  assert.match((await owner.get('/library/folders')).text, new RegExp(`folder-${days!.id}`))
  await merge()
  const deleted = await owner.post(`/library/folders/${nights!.id}/delete`)
  assert.deepEqual(await folders(owner), [])
  assert.deepEqual(idsOn(await owner.get('/library')), [one, two])
  // What was deleted comes back beside another that has its name meanwhile.
  await owner.post('/library/folders', { name: 'night walks' })
  await undo(await owner.open(deleted.location))
  assert.deepEqual(idsOn(await owner.get(nights!.href)), [one, two])
  assert.equal((await folders(owner)).length, 2)
})

test('folders of thousands are merged and given up part by part, and come back', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages)
  await owner.post('/library/folders', { name: 'Other' })
  const other = (await folders(owner))[0]!
  await owner.post('/library/folders', { name: 'Big' })
  const big = (await folders(owner)).find(({ name }) => name === 'Big')!
  await pages.db.run('update pictures set folder_id = $1', [big.id])
  const within = async (id: string | null) => {
    const { rows } = await pages.db.pool.query('select from pictures where folder_id is not distinct from $1', [id])
    return rows.length
  }
  const { location } = await owner.post(`/library/folders/${big.id}/merge`, { into: other.id })
  const id = changeIn(pages, location)
  const claimed = await pages.db.one(
    ClaimedChange,
    `update library_changes set state = 'running', claim = gen_random_uuid(), lease_until = now() + interval '1 hour'
     where id = $1 returning *`,
    [id],
  )
  await pages.db.transaction(tx => doPart(tx, claimed))
  assert.deepEqual([await within(big.id), await within(other.id)], [2100, 500])
  assert.match((await owner.open(location)).text, /Moving everything into the other folder/)
  // Something is put into it, before what is there was seen to.
  await pages.db.run(
    `with late as (select picture_id from library_changed where change_id = $1 order by 1 limit 1)
     update pictures set folder_id = $2 where id = (select picture_id from late)`,
    [id, big.id],
  )
  while (await pages.db.transaction(tx => doPart(tx, claimed))) void 0
  assert.deepEqual([await within(big.id), await within(other.id)], [0, 2600])
  assert.deepEqual(
    (await folders(owner)).map(({ name }) => name),
    ['Other'],
  )

  const deleted = await owner.post(`/library/folders/${other.id}/delete`)
  await pages.another({ role: 'worker' })
  await until('the folder to be gone', async () => (await folders(owner)).length === 0)
  assert.equal(await within(null), 2600)
  await owner.post(`/library/changes/${changeIn(pages, deleted.location)}/undo`)
  await until('it to be back', async () => (await within(other.id)) === 2600)
  assert.equal((await owner.post(`/library/changes/${id}/undo`)).status, 303)
  await until('both to be back', async () => (await within(big.id)) === 2600)
})

test('a trash of thousands is emptied part by part, and what was brought back meanwhile is kept', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages)
  await pages.db.run(`update pictures set deleted_at = now() - interval '1 hour'`)
  const emptied = await owner.post('/library/trash/empty', { as_of: new Date().toISOString() })
  const id = changeIn(pages, emptied.location)
  const trash = await owner.open(emptied.location)
  assert.match(trash.text, /Emptying the trash/)
  const { rows } = await pages.db.pool.query<{ id: string }>('select id from pictures order by id limit 2')
  const [back, again] = rows
  await owner.post(`/library/${back!.id}/restore`)
  await owner.post(`/library/${again!.id}/restore`)
  await owner.post(`/library/${again!.id}/delete`)
  assert.equal((await owner.post(`/library/changes/${id}/undo`)).status, 404)
  assert.equal(
    (await pages.db.pool.query('select from pictures')).rowCount,
    2600,
    'nothing is gone before a worker comes',
  )

  await pages.another({ role: 'worker' })
  await until('it to be empty', async () => /deleted for good/.test((await owner.open(emptied.location)).text))
  const left = await pages.db.pool.query<{ id: string }>('select id from pictures order by id')
  assert.deepEqual(left.rows, [back, again])
  const done = await owner.open(emptied.location)
  assert.equal(done.html.querySelector(`#change-${id} button`), null, 'there is nothing to be undone')
  // All of them take their time.
  await until('their bytes to go, too', async () => (await pages.db.pool.query('select from files')).rowCount! < 2600)
})

test('a saved search is a folder that nothing can be put into', async () => {
  const owner = await alice(app)
  const [one] = await keep(owner, [{ prompt: 'a heron' }, { prompt: 'two' }])
  await owner.post('/library/folders', { name: 'Herons', query: 'q=heron&nonsense=1&sort=oldest' })
  const [smart] = await folders(owner)
  assert.equal(smart!.href, '/library?q=heron&sort=oldest')
  assert.deepEqual(idsOn(await owner.get(smart!.href)), [one])
  assert.equal((await owner.post('/library/selection', { act: 'move', id: one!, folder: 'herons' })).status, 409)
  const cover = await coverOf(owner)
  assert.match((await owner.get(`/library/${one}`)).text, new RegExp(cover!.replace('/thumb', '')))
})

test('a folder is a place: it bears its name, and says nothing of filters', async () => {
  const owner = await alice(app)
  const [one] = await keep(owner, [{ prompt: 'one' }])
  await owner.post('/library/selection', { act: 'move', id: one!, folder: 'Night walks' })
  const [folder] = await folders(owner)
  const { html } = await owner.get(folder!.href)
  assert.equal(html.querySelector('h1')!.text, 'Night walks')
  assert.equal(html.querySelector('.crumbs a')!.getAttribute('href'), '/library/folders')
  assert.equal(html.querySelector('.filter-chips'), null)
  const narrowed = (await owner.get(`${folder!.href}&favourite=on`)).html
  assert.equal(narrowed.querySelector('h1')!.text, 'Library')
  assert.ok(narrowed.querySelector('.filter-chips'))
})

test('what is too much or nothing is refused in a sentence, and nothing is changed', async () => {
  const owner = await alice(app)
  const [one] = await keep(owner, [{ prompt: 'one' }])
  const twenty = Array.from({ length: 20 }, (_, i) => `t${i}`).join(',')
  await owner.post('/library/selection', { act: 'tag', id: one!, tags: twenty })
  const refused: [Record<string, string>, RegExp][] = [
    [{ act: 'delete' }, /Select at least one/],
    [{ act: 'compare', id: one! }, /exactly two/],
    [{ act: 'tag', id: one!, tags: ' ,，\n#' }, /at least one tag/],
    [{ act: 'tag', id: one!, tags: 'x'.repeat(33) }, /at most 32/],
    [{ act: 'tag', id: one!, tags: `${twenty},more` }, /at most 20/],
    [{ act: 'tag', id: one!, tags: 'more' }, /more than 20/],
  ]
  for (const [fields, says] of refused) {
    const answer = await owner.post('/library/selection', fields)
    assert.equal(answer.status, 422, JSON.stringify(fields))
    assert.match(answer.text, says)
  }
  assert.deepEqual(idsOn(await search(owner, { tag: 't19' })), [one])
  assert.deepEqual(idsOn(await search(owner, { tag: 'more' })), [])
})

test("charlie can do nothing with alice's pictures, folders and changes", async () => {
  const owner = await alice(app)
  const stranger = await charlie(app)
  const [one] = await keep(owner, [{ prompt: 'one' }])
  const [own] = await keep(stranger, [{ prompt: 'own' }])
  const moved = await owner.post('/library/selection', { act: 'move', id: one!, folder: 'Mine' })
  const change = new URL(moved.location, app.url).searchParams.get('undo')!
  const [folder] = await folders(owner)
  await stranger.post('/library/selection', { act: 'move', id: own!, folder: 'Theirs' })
  const [theirs] = await folders(stranger)

  const at = `/library/folders/${folder!.id}`
  for (const [path, fields] of [
    [`${at}/name`, { name: 'x' }],
    [`${at}/merge`, { into: theirs!.id }],
    [`${at}/cover`, { picture: own! }],
    [`${at}/delete`, {}],
    [`/library/folders/${theirs!.id}/merge`, { into: folder!.id }],
    [`/library/folders/${theirs!.id}/cover`, { picture: one! }],
    [`/library/changes/${change}/undo`, {}],
    ['/library/selection', { act: 'delete', id: one! }],
    ['/library/selection', { act: 'tag', id: one!, tags: 'x' }],
  ] as [string, Record<string, string>][]) {
    assert.equal((await stranger.post(path, fields)).status, 404, path)
  }
  await stranger.post('/library/selection', { act: 'delete', id: `${own},${one}` })
  assert.deepEqual(idsOn(await stranger.get(`/library?folder=${folder!.id}`)), [])
  assert.doesNotMatch((await stranger.get('/library/names', { htmx: true })).text, /Mine/)
  assert.deepEqual(idsOn(await owner.get(folder!.href)), [one])
})

test('what people name things is text wherever it is shown', async () => {
  const owner = await alice(app)
  const evil = `"><img src=x onerror=alert(1)>`
  const [one] = await keep(owner, [{ prompt: evil }])
  await owner.post('/library/selection', { act: 'move', id: one!, folder: evil })
  await owner.post('/library/selection', { act: 'tag', id: one!, tags: evil })
  const [folder] = await folders(owner)
  for (const path of [
    '/library',
    folder!.href,
    '/library/folders',
    '/library/filters',
    `/library?tag=${encodeURIComponent(evil)}`,
  ]) {
    assert.doesNotMatch((await owner.get(path)).text, /<img src=x/, path)
  }
})

test('no list reads the whole table, however many pictures others have', async () => {
  const owner = await alice(app)
  await fillWith(30_000)
  await keep(owner, [{ prompt: 'a heron' }])
  await app.db.run('analyze pictures')
  const plans = await plansOf(app, /\bpictures p\b/, async () => {
    for (const query of [
      '',
      '?q=heron',
      '?q=absent',
      '?q=%E7%8C%AB',
      '?tag=night',
      '?favourite=on',
      '?kind=uploaded',
      '?at=2026-01',
    ])
      assert.equal((await owner.get(`/library${query}`)).status, 200)
    assert.equal((await owner.get('/library/filters')).status, 200)
    assert.equal((await owner.get('/library/folders')).status, 200)
  })
  assert.ok(plans.length > 10)
  for (const { sql, plan } of plans) assert.doesNotMatch(plan, /Seq Scan on pictures/, `${sql}\n${plan}`)
})

interface New {
  prompt?: string
  revised?: string
  at?: string
  model?: string
  quality?: string
  width?: number
  height?: number
  cost?: number
  origin?: string
}

/** Pictures without bytes, each a little older than the one before it unless `at` says; their ids, uploads left out. */
async function keep(person: Person, pictures: readonly New[]): Promise<string[]> {
  const made: string[] = []
  for (const [index, each] of pictures.entries()) {
    const {
      prompt = '',
      revised = '',
      model = 'm',
      quality = 'q',
      width = 64,
      height = 64,
      cost,
      origin = 'made',
    } = each
    const at = each.at ?? new Date(Date.now() - index * 1000).toISOString()
    const { rows } = await app.db.pool.query<{ id: string }>(
      `with owner as (select id from users where email = $1),
         file as (insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
           select $2, id, $3, 1, 'png', $4, $5, false, '#000000' from owner returning token)
       insert into pictures (user_id, token, model, prompt, revised_prompt, requested_size, quality, width, height, bytes,
         created_at, cost, origin)
       select owner.id, file.token, $6, $7, $8, '', $9, $4, $5, 1, $10, $11, $12 from owner, file returning id`,
      [
        person.email,
        newToken(),
        randomBytes(32),
        width,
        height,
        model,
        prompt,
        revised,
        quality,
        at,
        cost ?? null,
        origin,
      ],
    )
    if (origin !== 'uploaded') made.push(rows[0]!.id)
  }
  return made
}

/** Of ten people who are not asked. */
async function fillFor({ email }: Person, count: number): Promise<void> {
  await app.db.run(
    `with file as (insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select md5(email || i), id, sha256((email || i)::bytea), 1, 'png', 64, 64, false, '#000000'
       from users, generate_series(1, $2) i where email = $1 returning token, user_id)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, 'm', 'a heron of ' || token, '', 'q', 64, 64, 1 from file`,
    [email, count],
  )
}

async function fillWith(count: number): Promise<void> {
  await app.db.run(
    `insert into users (id, email, name, role) select 1000000 + i, 'crowd' || i, '', 'user' from generate_series(0, 9) i`,
  )
  await app.db.run(
    `with file as (insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select 'crowd' || i, 1000000 + i % 10, sha256(i::text::bytea), 1, 'png', 64, 64, false, '#000000' from generate_series(1, $1) i
       returning token, user_id)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, 'm', 'a heron of ' || token, '', 'q', 64, 64, 1 from file`,
    [count],
  )
}

async function folders(person: Person) {
  const { html } = await person.get('/library/folders')
  return html.querySelectorAll('.folder').map(folder => ({
    id: folder.id.slice('folder-'.length),
    name: folder.querySelector('.folder-name')!.text,
    href: folder.querySelector('.folder-name')!.getAttribute('href')!.replaceAll('&amp;', '&'),
  }))
}

async function coverOf(person: Person): Promise<string | undefined> {
  return (await person.get('/library/folders')).html.querySelector('.folder-cover img')?.getAttribute('src')
}

function search(person: Person, query: Record<string, string>): Promise<Page> {
  return person.get(`/library?${new URLSearchParams(query)}`)
}

function idsOn(page: Page): string[] {
  return page.html.querySelectorAll('figure[id^="picture-"]').map(tile => tile.id.slice('picture-'.length))
}

/** Of everything that is kept, uploads too. */
async function ids(person: Person): Promise<string[]> {
  return idsOn(await person.get('/library?kind=all'))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
