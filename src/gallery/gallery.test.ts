import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import sharp from 'sharp'
import { createLog } from '../log.ts'
import { openStorage, type Storage } from '../storage/storage.ts'
import type { Browser, Page } from '../testing/browser.ts'
import { hoarder, pagesOnly } from '../testing/doomed.ts'
import { copies } from '../testing/exhibits.ts'
import { houseOf } from '../testing/house.ts'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { type MadePicture, makePicture, makePictures } from '../testing/pictures.ts'
import { plansOf } from '../testing/plans.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'
import { keepHouse } from '../upkeep/hourly.ts'
import { showPart } from './long-share.ts'
import { ClaimedShare } from './long-share-queries.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

const everything = { where: 'gallery', prompt: 'on', settings: 'on', name: 'Alice' }

test('sharing asks first, and shows what becomes public: nothing does before', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron <b>nobody</b> saw')

  const form = await owner.get(`/gallery/share?picture=${picture.id}`)

  assert.equal(form.status, 200)
  assert.equal(form.html.querySelector('[name="prompt"]')?.hasAttribute('checked'), false)
  assert.equal(form.html.querySelector('[name="settings"]')?.hasAttribute('checked'), false)
  assert.match(form.html.querySelector('.share-prompt')!.text, /a heron <b>nobody<\/b> saw/)
  assert.deepEqual(shownIn(await app.browser().get('/gallery')), [])
})

test('guests see what was shared, and no more of it than its author said', async () => {
  const owner = await alice(app)
  const open = await shared(owner, await makePicture(app, owner, 'an open heron'), everything)
  const closed = await shared(owner, await makePicture(app, owner, 'a secret words heron'), { name: 'Alice' })
  const guest = app.browser()

  const page = await guest.get(`/gallery/${open}`)
  assert.equal(page.status, 200)
  assert.match(page.html.querySelector('.facts-prompt')!.text, /an open heron/)
  assert.match(page.text, /gpt-image-2/)
  const bare = await guest.get(`/gallery/${closed}`)
  assert.doesNotMatch(bare.text, /secret words|gpt-image-2/)
  for (const text of [page.text, bare.text, (await guest.get('/gallery')).text]) {
    assert.doesNotMatch(text, new RegExp(owner.email, 'i'))
    assert.doesNotMatch(text, /\/files\//)
  }
  assert.deepEqual(shownIn(await guest.get('/gallery')).slice(0, 2), [closed, open])
})

test('the bytes are those of the original, and looked up each time', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron in bytes')
  const id = await shared(owner, picture, everything)
  const guest = app.browser()

  const bytes = await guest.get(`/shared/${id}/picture`)
  assert.deepEqual(bytes.body, (await owner.get(`/files/${picture.token}`)).body)
  assert.match(bytes.headers['cache-control']!, /no-cache/)
  const again = await guest.get(`/shared/${id}/picture`, { headers: { 'If-None-Match': bytes.headers.etag! } })
  assert.equal(again.status, 304)
  assert.equal((await guest.get(`/shared/${id}/picture`, { headers: { Range: 'bytes=0-9' } })).status, 206)
  assert.equal((await guest.get(`/shared/${id}/thumb`)).headers['content-type'], 'image/webp')
  assert.match((await guest.get(`/shared/${id}/picture?download`)).headers['content-disposition']!, /a-heron-in-bytes/)
  const card = await sharp((await guest.get(`/shared/${id}/card.jpg`)).body).metadata()
  assert.equal(card.format, 'jpeg')
  assert.ok(Math.max(card.width, card.height) <= 1200)
})

test('a name in a download says nothing of a prompt that is not shown', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a private thought'), { name: 'Alice' })
  const answer = await app.browser().get(`/shared/${id}/picture?download`)
  assert.doesNotMatch(answer.headers['content-disposition']!, /private|thought/)
})

const ends = {
  'it is withdrawn': (owner: Person, _picture: MadePicture, id: string) => owner.post(`/gallery/${id}/withdraw`),
  'everything is': (owner: Person) => owner.post('/gallery/mine/withdraw'),
  'the picture is deleted': (owner: Person, { id }: MadePicture) => owner.post(`/library/${id}/delete`),
  'it is hidden': async (_owner: Person, _picture: MadePicture, id: string) =>
    (await operator()).post(`/gallery/${id}/judge`, { did: 'hide', reason: 'no' }),
}

for (const [what, end] of Object.entries(ends)) {
  for (const where of ['gallery', 'link']) {
    test(`when ${what}, page and bytes are gone at once (${where})`, async () => {
      const owner = await alice(app)
      const picture = await makePicture(app, owner, `a heron that leaves the ${where} as ${what}`)
      const id = await shared(owner, picture, { ...everything, where })
      const guest = app.browser()
      const page = where === 'gallery' ? `/gallery/${id}` : `/shared/${id}`
      const { etag } = (await guest.get(`/shared/${id}/picture`)).headers
      const paths = [page, `/shared/${id}/picture`, `/shared/${id}/thumb`, `/shared/${id}/card.jpg`]
      for (const path of paths) assert.equal((await guest.get(path)).status, 200, path)

      const answer = await end(owner, picture, id)
      assert.equal(answer.status, 303, answer.text.slice(0, 300))

      for (const path of paths) {
        assert.equal((await guest.get(path, { headers: { 'If-None-Match': etag! } })).status, 404, path)
      }
      assert.ok(!shownIn(await guest.get('/gallery')).includes(id))
      assert.doesNotMatch((await guest.get('/gallery/feed.atom')).text, new RegExp(id))
      assert.equal((await owner.get(`/files/${picture.token}`)).status, 200, 'it is still its owner’s')
    })
  }
}

test('a deleted picture that is restored is not public again', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron that comes back')
  const id = await shared(owner, picture, everything)
  await owner.post(`/library/${picture.id}/delete`)
  await owner.post(`/library/${picture.id}/restore`)
  assert.equal((await app.browser().get(`/gallery/${id}`)).status, 404)
})

test('a secret link is in no list, no search and no feed, says so to robots, and ends', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a hidden kingfisher')
  const id = await shared(owner, picture, { ...everything, where: 'link', ends: 'day' })
  const guest = app.browser()

  const page = await guest.get(`/shared/${id}`)
  assert.match(page.headers['x-robots-tag']!, /noindex/)
  assert.match((await guest.get(`/shared/${id}/picture`)).headers['x-robots-tag']!, /noindex/)
  assert.equal((await guest.get(`/gallery/${id}`)).status, 404)
  for (const path of ['/gallery', '/gallery?q=kingfisher', '/gallery/feed.atom']) {
    assert.doesNotMatch((await guest.get(path)).text, new RegExp(id), path)
  }
  for (let look = 0; look < 3; look++)
    assert.equal((await guest.get(`/shared/${id}`)).status, 200, 'looking uses nothing up')

  await app.db.run(
    `update exhibits set created_at = now() - interval '2 days', expires_at = now() - interval '1 second' where id = $1`,
    [id],
  )
  for (const path of [`/shared/${id}`, `/shared/${id}/picture`, `/shared/${id}/thumb`]) {
    assert.equal((await guest.get(path)).status, 404, path)
  }
})

test('charlie can share, change and take back nothing of alice’s, and neither can a guest', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron of her own')
  const id = await shared(owner, picture, everything)
  const stranger = await charlie(app)

  assert.equal((await stranger.get(`/gallery/share?picture=${picture.id}`)).status, 404)
  assert.equal((await stranger.post('/gallery/share', { picture: picture.id, ...everything })).status, 404)
  assert.equal((await stranger.post(`/gallery/${id}/withdraw`)).status, 404)
  assert.equal((await stranger.post(`/gallery/${id}/judge`, { did: 'hide', reason: 'no' })).status, 404)
  assert.equal((await stranger.get('/gallery/reports')).status, 404)
  await stranger.post('/gallery/mine/withdraw')
  assert.doesNotMatch((await stranger.get('/gallery/mine')).text, new RegExp(id))
  const guest = app.browser()
  for (const path of [
    '/gallery/share',
    `/gallery/${id}/withdraw`,
    `/gallery/${id}/like`,
    `/gallery/${id}/report`,
    '/gallery/mine/withdraw',
  ]) {
    assert.match((await guest.post(path)).location, /^\/login/, path)
  }
  assert.equal((await guest.get(`/gallery/${id}`)).status, 200)
})

test('what cannot be shared is refused: nothing, what is in the trash, what is no id', async () => {
  const owner = await alice(app)
  const gone = await makePicture(app, owner, 'a heron in the trash')
  await owner.post(`/library/${gone.id}/delete`)
  for (const picture of [gone.id, randomUUID(), 'x', '']) {
    assert.equal((await owner.post('/gallery/share', { ...everything, picture })).status, 404, picture)
  }
})

test('the name is asked for, bounded, and never the e-mail address; what was chosen stays', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a nameless heron')
  for (const [name, sentence] of [
    ['', /which name/],
    ['\u200b \u00ad', /which name/],
    ['x'.repeat(41), /41 characters; at most 40/],
    [`me (${owner.email.toUpperCase()})`, /e-mail address would be public/],
  ] as const) {
    const answer = await owner.post('/gallery/share', { ...everything, where: 'link', picture: picture.id, name })
    assert.equal(answer.status, 422)
    assert.match(answer.html.querySelector('#share-name-error')!.text, sentence)
    assert.ok(answer.html.querySelector('[name="prompt"]')!.hasAttribute('checked'))
    assert.ok(answer.html.querySelector('[value="link"]')!.hasAttribute('checked'))
  }
  assert.deepEqual(await rowsOf(picture), [])
})

test('the operator’s sentence is agreed to once, and again when it has changed', async () => {
  const licensed = await app.another({ gallery: { open: 'public', licence: 'CC0, for all.' } })
  const owner = await signedIn(app, 'licensed@example.com', licensed.browser())
  const [first, second] = [await makePicture(app, owner, 'heron one'), await makePicture(app, owner, 'heron two')]
  const refused = await owner.post('/gallery/share', { ...everything, picture: first.id })
  assert.equal(refused.status, 422)
  assert.match(refused.html.querySelector('#share-licence-error')!.text, /agreed/)
  await shared(owner, first, { ...everything, agreed: 'on' })
  assert.doesNotMatch((await owner.get(`/gallery/share?picture=${second.id}`)).text, /CC0, for all/)
  await shared(owner, second, everything)
})

test('shared again it hangs there once, and shows what is said now', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron said twice')
  const first = await shared(owner, picture, everything)
  const second = await shared(owner, picture, { name: 'Alice' })
  assert.equal(second, first)
  assert.doesNotMatch((await app.browser().get(`/gallery/${first}`)).text, /said twice/)
})

test('several at once are shared together, or not at all', async () => {
  const owner = await alice(app)
  const pictures = [await makePicture(app, owner, 'heron a'), await makePicture(app, owner, 'heron b')]
  const body = new URLSearchParams(everything)
  for (const { id } of pictures) body.append('picture', id)
  const answer = await owner.postRaw('/gallery/share', body.toString())
  assert.equal(answer.location, '/gallery/mine')
  for (const picture of pictures) assert.equal((await rowsOf(picture)).length, 1)
})

test('what is selected in the library is shared as one, be it by a filter; what cannot be shown is counted', async () => {
  const owner = await alice(app)
  const made = await makePictures(app, owner, { prompt: 'a selected heron', n: '3' })
  const [one, two, half] = made
  await app.db.run(`update pictures set condition = 'incomplete' where id = $1`, [half!.id])
  const list = await owner.get('/library?q=selected')
  const form = list.html.querySelector('#selection')!
  assert.ok(form.querySelector('[formaction="/gallery/share/selection"]'))
  const fieldOf = (name: string) => form.querySelector(`[name="${name}"]`)!.getAttribute('value')!
  const all = { all: 'on', as_of: fieldOf('as_of'), back: fieldOf('back'), except: two!.id }
  await makePicture(app, owner, 'a selected heron that came later')

  const asked = await owner.post('/gallery/share/selection', all)
  assert.equal(asked.status, 200)
  assert.match(asked.text, /One of those selected cannot be shared/)
  assert.equal(asked.html.querySelector('[name="id"]')!.getAttribute('value'), one!.id)
  const both = await owner.post('/gallery/share/selection', { id: `${one!.id},${two!.id}` })
  assert.equal(both.html.querySelectorAll('.share-pictures img').length, 2)
  const id = both.html.querySelector('[name="id"]')!.getAttribute('value')!
  const again = await owner.post('/gallery/share', { ...everything, name: '', id })
  assert.equal(again.html.querySelector('[name="id"]')!.getAttribute('value'), id, 'nothing chosen is lost')
  assert.equal((await owner.post('/gallery/share', { ...everything, id })).location, '/gallery/mine')
  for (const picture of [one!, two!]) assert.equal((await rowsOf(picture)).length, 1)
  assert.equal((await rowsOf(half!)).length, 0)
  const stranger = await charlie(app)
  assert.equal((await stranger.post('/gallery/share/selection', { id })).status, 404)
  assert.equal((await stranger.post('/gallery/share', { ...everything, id })).status, 404)
})

test('two hundred are shared while their author waits, and no more by a form that names them', async () => {
  const owner = await alice(app)
  const { id } = await makePicture(app, owner, 'one of a crowd of herons')
  const ids = await crowd(app, id, 200)
  const form = await owner.post('/gallery/share/selection', { id: ids.join(',') })
  assert.equal(form.html.querySelectorAll('.share-pictures img').length, 24)
  assert.match(form.text, /and 176 more/)
  const refused = await owner.post('/gallery/share', { ...everything, id: [id, ...ids].join(',') })
  assert.equal(refused.status, 422)
  assert.match(refused.text, /201 pictures are selected; at most 200/)
  const done = await owner.post('/gallery/share', { ...everything, where: 'link', id: ids.join(',') })
  assert.equal(done.location, '/gallery/mine')
  const { rows } = await app.db.pool.query('select from exhibits where picture_id = any($1)', [ids])
  assert.equal(rows.length, 200)
  await owner.post('/gallery/mine/withdraw')
})

test('thousands are shared part by part: asked about first, each of them can be seen, and all of it is taken back at once', async () => {
  const owner = await alice(app)
  const first = await makePicture(app, owner, 'a heron of thousands')
  await shared(owner, first, { ...everything, prompt: '' })
  const ids = await crowd(app, first.id, 1230)
  const [half] = ids
  await app.db.run(`update pictures set condition = 'incomplete' where id = $1`, [half])

  const { location } = await owner.post('/gallery/share/selection', { id: [first.id, ...ids].join(',') })
  const form = await owner.get(location)
  assert.match(form.text, /The 1,230 pictures themselves/)
  assert.match(form.text, /1,230 of them have one/)
  assert.match(form.text, /One of those selected cannot be shared/)
  assert.match(form.text, /It hangs in the gallery already/)
  const seen: string[] = []
  for (let next: string | undefined = `${location.split('?')[0]}/pictures`; next; ) {
    const page: Page = await owner.get(next)
    seen.push(...page.html.querySelectorAll('.to-share .share-prompt').map(({ text }) => text))
    next = page.html.querySelector('.older a')?.getAttribute('href')
  }
  assert.equal(seen.length, 1230)
  assert.deepEqual([...new Set(seen)], ['a heron of thousands'])
  assert.equal(await countShown(app, owner), 1, 'nothing becomes public by looking')
  const action = form.html.querySelector('.share-form')!.getAttribute('action')!
  assert.equal((await owner.post(action, { ...everything, name: ' ' })).status, 422)
  assert.equal(await countShown(app, owner), 1)

  assert.equal((await owner.post(action, everything)).location, '/gallery/mine')
  assert.equal((await owner.post(action, everything)).location, '/gallery/mine', 'sent twice')
  const progress = new Set<string>()
  await until('all to be shared', async () => {
    const bar = (await owner.get('/gallery/mine')).html.querySelector('.change progress')
    if (bar) progress.add(bar.getAttribute('value')!)
    return !bar
  })
  assert.ok(progress.size > 1, [...progress].join())
  assert.equal(await countShown(app, owner), 1230)
  const done = await owner.get('/gallery/mine')
  assert.match(done.html.querySelector('.change')!.text, /1,230 pictures are shared/)
  const { rows } = await app.db.pool.query('select from exhibits where picture_id = any($1) and prompt is not null', [
    [first.id, ...ids],
  ])
  assert.equal(rows.length, 1230)

  const undo = done.html.querySelector('.change')!.getAttribute('action')!
  await owner.post(undo)
  const left = await app.db.pool.query('select picture_id, prompt from exhibits where picture_id = any($1)', [
    [first.id, ...ids],
  ])
  assert.deepEqual(left.rows, [{ picture_id: first.id, prompt: null }], 'what hung before shows what it showed')
  assert.equal((await owner.post(undo)).status, 404)
  await owner.post('/gallery/mine/withdraw')
})

test('sharing of thousands stops where its author says, and shows nothing that was hidden or deleted meanwhile', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages, 450)
  await pages.db.run(`update files set format = 'png'`)
  const first = await beginSharing(pages, owner)
  const { rows } = await pages.db.pool.query<{ picture_id: string }>(
    'select picture_id from gallery_share_pictures where place <= 2 order by place',
  )
  await owner.post(`/library/${rows[0]!.picture_id}/delete`)
  await pages.db.run(
    `insert into gallery_hidden (sha256, because_of)
     select sha256, sha256 from files join pictures using (token) where id = $1`,
    [rows[1]!.picture_id],
  )

  assert.equal(await first.showNext(0), 100)
  assert.equal(await countShown(pages, owner), 98)
  assert.match((await owner.get('/gallery/mine')).text, /<noscript><meta http-equiv="refresh"/)
  await owner.post(`${first.address}/stop`)
  assert.equal(await first.showNext(100), null)
  const stopped = (await owner.get('/gallery/mine')).html.querySelector('.change')!
  assert.match(stopped.text, /98 of 450 .*2 were left out/)
  const stranger = await charlie(pages)
  for (const act of ['', '/stop', '/undo']) {
    assert.equal((await stranger.post(`${first.address}${act}`, everything)).status, 404)
  }
  for (const part of ['', '/pictures']) assert.equal((await stranger.get(`${first.address}${part}`)).status, 404)
  await owner.post(`${first.address}/undo`)
  assert.equal(await countShown(pages, owner), 0)
})

test('what is taken back while thousands are on their way to be shown stays taken back', async () => {
  const pages = await pagesOnly()
  const owner = await hoarder(pages, 250)
  await pages.db.run(`update files set format = 'png'`)
  for (const takeBack of [(address: string) => `${address}/undo`, () => '/gallery/mine/withdraw']) {
    const { address, showNext } = await beginSharing(pages, owner)
    await showNext(0)
    assert.equal(await countShown(pages, owner), 100)
    await owner.post(takeBack(address))
    assert.equal(await showNext(100), null)
    assert.equal(await countShown(pages, owner), 0)
  }
})

test('one like a person, however often and in however many tabs it is pressed; the count is exact', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a liked heron'), everything)
  const fans = await Promise.all(Array.from({ length: 6 }, () => charlie(app)))

  await Promise.all(
    fans.flatMap((fan, each) =>
      Array.from({ length: 9 }, (_, press) =>
        fan.post(`/gallery/${id}/like`, { like: each === 0 && press % 2 ? 'off' : 'on' }),
      ),
    ),
  )
  await fans[0]!.post(`/gallery/${id}/like`, { like: 'off' })
  const answer = await fans[1]!.post(`/gallery/${id}/like`, { like: 'on' }, { htmx: true })

  assert.match(answer.html.querySelector('button')!.text.trim(), /^5$/)
  const { rows } = await app.db.pool.query(
    `select e.likes, (select count(*)::int from likes l where l.exhibit_id = e.id) as people,
       (select sum(likes)::int from likes_of_month m where m.exhibit_id = e.id) as month from exhibits e where id = $1`,
    [id],
  )
  assert.deepEqual(rows, [{ likes: 5, people: 5, month: 5 }])
})

test('the most liked come first, of all time and this month; pages meet without a gap', async () => {
  const owner = await alice(app)
  const first = await shared(owner, await makePicture(app, owner, 'wallpaper heron'), everything)
  await copies(app, first, 120)
  for (const sort of ['newest', 'liked', 'month']) {
    const ids: string[] = []
    let next: string | null = `/gallery?sort=${sort}&q=wallpaper`
    for (; next; ) {
      const page = await app.browser().get(next)
      ids.push(...shownIn(page))
      next = page.html.querySelector('.older a')?.getAttribute('href')?.replaceAll('&amp;', '&') ?? null
    }
    assert.equal(new Set(ids).size, ids.length, sort)
    assert.equal(ids.length, sort === 'month' ? 120 : 121, sort)

    // As the page grows in place, and is come back to.
    const guest = app.browser()
    const begun = await guest.get(`/gallery?sort=${sort}&q=wallpaper`)
    const link = (page: Page) => page.html.querySelector('#older a')!.getAttribute('href')!.replaceAll('&amp;', '&')
    const more = await guest.get(`${link(begun)}&part=older`)
    assert.equal(more.html.querySelector('html'), null)
    assert.deepEqual([...shownIn(begun), ...shownIn(more)], ids.slice(0, 96), sort)
    const through = more.html.querySelector('#older')!.getAttribute('data-through')!.replaceAll('&amp;', '&')
    const again = await guest.get(through)
    assert.deepEqual(shownIn(again), ids.slice(0, 96), sort)
    assert.equal(link(again), link(more), sort)
  }
})

test('search finds prompts and people, and takes every letter as it is', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, '灯塔在雨中 100%_sure "q" Ünïcode 🦩👩\u200d🎨 مرحبا'), {
    ...everything,
    name: 'Rosalind F.',
  })
  for (const q of [
    '灯塔',
    '塔',
    '100%_',
    '🦩',
    '👩\u200d🎨',
    'مرحبا',
    '"q"',
    'ÜNÏCODE',
    'u\u0308ni\u0308code',
    'rosalind',
    'Rosalind 雨',
    '\u200f灯塔',
  ]) {
    assert.deepEqual(shownIn(await app.browser().get(`/gallery?${new URLSearchParams({ q })}`)), [id], q)
  }
  for (const q of ['%', '100__', 'nobody\\', '灯雨', '\0', "'--"]) {
    const answer = await app.browser().get(`/gallery?${new URLSearchParams({ q })}`)
    assert.equal(answer.status, 200, q)
    if (q !== '%' && q !== '\0') assert.deepEqual(shownIn(answer), [], q)
  }
})

test('words of prompts and names are text on every page, in the feed and in previews of links', async () => {
  const owner = await alice(app)
  const evil = `"><img src=x onerror=alert(1)>]]></title><script>alert(2)</script>'&amp;\u202e`
  const prompt = `heron ${evil}`
  const name = `Eve <b onclick=x>"'&`
  const picture = await makePicture(app, owner, prompt)
  await owner.post('/library/selection', { act: 'tag', id: picture.id, tags: evil })
  await owner.post('/library/selection', { act: 'move', id: picture.id, folder: evil })
  const form = await owner.get(`/gallery/share?picture=${picture.id}`)
  const id = await shared(owner, picture, { ...everything, name })
  const link = await shared(owner, picture, { ...everything, name, where: 'link' })
  const fan = await charlie(app)
  await fan.post(`/gallery/${id}/report`, { reason: 'other', words: evil })
  const [guest, admin] = [app.browser(), await operator()]
  const author = authorOf(await guest.get(`/gallery/${id}`))
  await fan.post(`/gallery/authors/${author}/block`, { block: 'on' })
  const pages = [
    form,
    await owner.post('/gallery/share', { ...everything, picture: picture.id, name: evil }),
    await guest.get('/gallery'),
    await guest.get(`/gallery?by=${author}`),
    await guest.get(`/gallery?${new URLSearchParams({ q: evil })}`),
    await guest.get('/gallery', { htmx: true }),
    await guest.get(`/gallery/${id}`),
    await guest.get(`/shared/${link}`),
    await owner.get('/gallery/mine'),
    await fan.get('/gallery/mine'),
    await admin.get('/gallery/reports'),
    await fan.get(`/images?remix=${id}`),
  ]
  for (const page of pages) {
    assert.ok(page.status < 500)
    assert.doesNotMatch(page.text, /<img src=x|<script>alert|<b onclick/)
  }
  const shown = await guest.get(`/gallery/${id}`)
  const content = (property: string) =>
    shown.html.querySelector(`meta[property="${property}"]`)!.getAttribute('content')!
  assert.match(content('og:title'), /^heron "><img src=x/)
  const feed = (await guest.get('/gallery/feed.atom')).body.toString()
  assert.doesNotMatch(feed, /<img src=x|<script>|<b onclick/)
  // Once more unescaped, as a reader does that shows its HTML.
  const entry = feed.split('<entry>').find(each => each.includes(id))!
  const html = /<content type="html">(.*?)<\/content>/s.exec(entry)![1]!.replace(/&lt;/g, '<').replace(/&gt;/g, '>')
  assert.doesNotMatch(html, /<img src=x|<script>alert/)
  const saved = await guest.get(`/shared/${id}/picture?download`)
  assert.match(saved.headers['content-disposition']!, /^attachment; filename="?heron-img-src-x-onerror[\w.-]*"?$/)
})

test('no list reads the whole gallery, however much hangs there', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a crowded heron'), { ...everything, name: 'Crowd' })
  const viewer = await charlie(app)
  const author = authorOf(await viewer.get(`/gallery/${id}`))
  await copies(app, id, 20_000)
  for (const table of ['exhibits', 'exhibitors', 'likes', 'likes_of_month']) await app.db.run(`analyze ${table}`)
  const plans = await plansOf(app, /\b(?:exhibits|likes_of_month)\b/, async () => {
    const place = `${Date.now().toString(36)}.${id}`
    for (const query of [
      '',
      `?before=${place}`,
      '?sort=liked',
      `?sort=liked&before=1.${id}`,
      '?sort=month',
      '?q=absent',
      '?q=heron',
      '?q=heron&sort=liked',
      '?q=%E7%81%AF',
      `?by=${author}`,
      `?by=${author}&q=crowded`,
    ]) {
      for (const browser of [viewer, app.browser()]) {
        assert.equal((await browser.get(`/gallery${query}`)).status, 200, query)
      }
    }
    for (const path of ['/gallery/feed.atom', '/gallery/mine', `/gallery/${id}`]) await viewer.get(path)
  })
  assert.ok(plans.length > 20)
  for (const { sql, plan } of plans) {
    assert.doesNotMatch(plan, /Seq Scan on (?:exhibits|likes|likes_of_month) /, `${sql}\n${plan}`)
  }
})

test('whose pictures somebody does not want to see they do not see, until they do again', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a tiresome heron'), { ...everything, name: 'Tiresome' })
  const stranger = await charlie(app)
  const author = authorOf(await stranger.get(`/gallery/${id}`))

  assert.equal((await stranger.post(`/gallery/authors/${author}/block`, { block: 'on' })).status, 303)
  assert.deepEqual(shownIn(await stranger.get('/gallery?q=tiresome')), [])
  assert.deepEqual(shownIn(await app.browser().get('/gallery?q=tiresome')), [id])
  assert.match((await stranger.get('/gallery/mine')).text, /Tiresome/)
  await stranger.post(`/gallery/authors/${author}/block`, { block: 'off' })
  assert.deepEqual(shownIn(await stranger.get('/gallery?q=tiresome')), [id])
  assert.equal((await owner.post(`/gallery/authors/${author}/block`, { block: 'on' })).status, 404)
})

test('a report is one a person, can be changed, is seen by operators, and opens again', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a reported heron'), everything)
  const stranger = await charlie(app)
  const admin = await operator()

  await stranger.post(`/gallery/${id}/report`, { reason: 'spam', words: 'first words' })
  await stranger.post(`/gallery/${id}/report`, { reason: 'rights', words: '<i>second</i> words' })
  const page = await stranger.get(`/gallery/${id}`)
  assert.match(page.html.querySelector('#report textarea')!.text, /second/)
  assert.equal((await owner.post(`/gallery/${id}/report`, { reason: 'spam', words: '' })).status, 403)
  assert.equal((await stranger.post(`/gallery/${id}/report`, { reason: 'none', words: '' })).status, 400)
  assert.equal((await stranger.post(`/gallery/${id}/report`, { reason: 'spam', words: 'x'.repeat(1001) })).status, 422)

  const list = await admin.get('/gallery/reports')
  assert.match(list.text, /&lt;i&gt;second&lt;\/i&gt; words/)
  assert.doesNotMatch(list.text, /first words/)
  await admin.post(`/gallery/${id}/judge`, { did: 'dismiss' })
  assert.doesNotMatch((await admin.get('/gallery/reports')).text, /second/)
  await stranger.post(`/gallery/${id}/report`, { reason: 'rights', words: 'third words' })
  assert.match((await admin.get('/gallery/reports')).text, /third words/)
})

test('what an operator hides needs a reason, which its author reads; withdrawn and shared again it stays hidden', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a hidden heron')
  const id = await shared(owner, picture, everything)
  const admin = await operator()

  assert.equal((await admin.post(`/gallery/${id}/judge`, { did: 'hide', reason: ' ' })).status, 422)
  await admin.post(`/gallery/${id}/judge`, { did: 'hide', reason: 'not <here>' })
  assert.match((await owner.get('/gallery/mine')).text, /not &lt;here&gt;/)
  assert.equal((await owner.get(`/gallery/${id}`)).status, 200)
  assert.equal((await admin.get(`/gallery/${id}`)).status, 200)
  await owner.post(`/gallery/${id}/withdraw`)
  for (const where of ['gallery', 'link']) {
    const again = await owner.post('/gallery/share', { ...everything, where, picture: picture.id })
    assert.equal(again.status, 422)
    assert.match(again.text, /An operator has hidden this picture/)
  }
  const { rows } = await app.db.pool.query('select act, reason from operator_acts where subject = $1', [picture.id])
  assert.deepEqual(rows, [{ act: 'hide', reason: 'not <here>' }])
})

test('what an operator has hidden nobody shows again by another copy of its bytes, until it is shown again', async () => {
  const owner = await alice(app)
  const [picture, twin] = [
    await makePicture(app, owner, 'a heron twice'),
    await makePicture(app, owner, 'a heron twice'),
  ]
  assert.equal(twin.token, picture.token)
  const stamped = await withWords((await owner.get(`/files/${picture.token}`)).body)
  await storageOf(app).put(picture.token, stamped, { contentType: 'image/png' })
  await app.db.run('update files set sha256 = sha256($2) where token = $1', [picture.token, stamped])
  const stranger = await charlie(app)
  // What is brought is stored without the words that were in the file.
  const brought = await bring(stranger, (await owner.get(`/files/${picture.token}`)).body)
  const [mine, link, theirs] = [
    await shared(owner, picture, everything),
    await shared(owner, twin, { ...everything, where: 'link' }),
    await shared(stranger, brought, everything),
  ]
  const admin = await operator()
  await admin.post(`/gallery/${mine}/judge`, { did: 'hide', reason: 'never' })

  const guest = app.browser()
  for (const id of [mine, link, theirs]) assert.equal((await guest.get(`/shared/${id}/picture`)).status, 404)
  for (const [person, copy] of [
    [owner, twin],
    [owner, picture],
    [stranger, brought],
    [stranger, await bring(stranger, stamped)],
  ] as const) {
    assert.equal((await person.post('/gallery/share', { ...everything, picture: copy.id })).status, 422)
  }
  await admin.post(`/gallery/${theirs}/judge`, { did: 'show' })
  for (const id of [mine, link, theirs]) assert.equal((await guest.get(`/shared/${id}/picture`)).status, 200)
})

test('what was hidden without the words that files carry nobody shows as it came either', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron as it came')
  const stamped = await withWords((await owner.get(`/files/${picture.token}`)).body)
  await storageOf(app).put(picture.token, stamped, { contentType: 'image/png' })
  await app.db.run('update files set sha256 = sha256($2) where token = $1', [picture.token, stamped])
  const stranger = await charlie(app)
  const theirs = await shared(stranger, await bring(stranger, stamped), everything)
  const admin = await operator()
  await admin.post(`/gallery/${theirs}/judge`, { did: 'hide', reason: 'never' })

  const refused = await owner.post('/gallery/share', { ...everything, picture: picture.id })
  assert.equal(refused.status, 422)
  assert.match(refused.text, /An operator has hidden this picture/)
  await admin.post(`/gallery/${theirs}/judge`, { did: 'show' })
  await shared(owner, picture, everything)
})

test('what hangs already as it came is hidden, too, once the same picture without what files carry is', async () => {
  const owner = await alice(app)
  const picture = await makePicture(app, owner, 'a heron that hung as it came')
  const stamped = await withWords((await owner.get(`/files/${picture.token}`)).body)
  await storageOf(app).put(picture.token, stamped, { contentType: 'image/png' })
  await app.db.run('update files set sha256 = sha256($2) where token = $1', [picture.token, stamped])
  const [hung, later] = [await shared(owner, picture, everything), await makePicture(app, owner, 'a heron of its own')]
  const other = await shared(owner, later, everything)
  const learn = () => keepHouse(houseOf(app, storageOf(app)))
  const stranger = await charlie(app)
  const theirs = await shared(stranger, await bring(stranger, stamped), everything)
  const admin = await operator()
  const guest = app.browser()
  const statuses = async () => [
    (await guest.get(`/shared/${hung}/picture`)).status,
    (await guest.get(`/shared/${other}/picture`)).status,
  ]

  // It was not known yet what it shows.
  await admin.post(`/gallery/${theirs}/judge`, { did: 'hide', reason: 'never again' })
  await learn()
  assert.deepEqual(await statuses(), [404, 200])
  assert.match((await owner.get('/gallery/mine')).text, /never again/)
  // It is known.
  await admin.post(`/gallery/${theirs}/judge`, { did: 'show' })
  assert.deepEqual(await statuses(), [200, 200])
  await admin.post(`/gallery/${theirs}/judge`, { did: 'hide', reason: 'never again' })
  assert.deepEqual(await statuses(), [404, 200])
  await admin.post(`/gallery/${hung}/judge`, { did: 'show' })
  assert.deepEqual(await statuses(), [200, 200])
})

test('*stop sharing everything* ends all that is public of somebody, links too, and nothing of others', async () => {
  const owner = await alice(app)
  const stranger = await charlie(app)
  const [one, two] = await makePictures(app, owner, { prompt: 'herons to be stopped', n: '2' })
  const theirs = await shared(stranger, await makePicture(app, stranger, 'a heron that stays'), everything)
  const listed = await shared(owner, one!, everything)
  const links = [
    await shared(owner, one!, { ...everything, where: 'link' }),
    await shared(owner, two!, { ...everything, where: 'link', ends: 'never' }),
  ]
  const list = await owner.get('/gallery/mine')
  assert.equal(list.html.querySelectorAll('.shown-list > li').length, 3)
  const form = list.html.querySelector('.stop-all form')!
  assert.match(form.text, /links too/)
  assert.equal(list.html.querySelector('.stop-all')!.hasAttribute('open'), false, 'it is asked first')

  await owner.post(form.getAttribute('action')!)

  const guest = app.browser()
  for (const id of [listed, ...links]) {
    for (const part of ['', '/picture', '/thumb', '/card.jpg'])
      assert.equal((await guest.get(`/shared/${id}${part}`)).status, 404, part)
  }
  assert.equal((await guest.get(`/gallery/${theirs}`)).status, 200)
  assert.match((await owner.get('/gallery/mine')).text, /Nothing of yours is public/)
  assert.equal((await owner.get(`/library/${one!.id}`)).status, 200)
})

test('remix starts from prompt and settings, on the viewer’s own key, and only where they are shown', async () => {
  const owner = await alice(app)
  const open = await shared(owner, await makePicture(app, owner, 'a heron to remix'), everything)
  const closed = await shared(owner, await makePicture(app, owner, 'a heron to keep'), { ...everything, prompt: '' })
  const stranger = await charlie(app)

  const form = await stranger.get(`/images?remix=${open}`)
  assert.equal(form.html.querySelector('textarea[name="prompt"]')!.text.trim(), 'a heron to remix')
  assert.match(form.html.querySelector('.quote')!.text, /\$/)
  assert.doesNotMatch((await stranger.get(`/images?remix=${closed}`)).text, /heron to keep/)
})

test('links to a page have a preview, and the feed is a feed', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a heron & <tag> \u000b for feeds'), everything)
  const page = await app.browser().get(`/gallery/${id}`)
  const meta = (name: string) => page.html.querySelector(`meta[property="${name}"]`)?.getAttribute('content')
  assert.equal(meta('og:image'), `${app.url}/shared/${id}/card.jpg`)
  assert.match(meta('og:image:width')!, /^\d+$/)
  const feed = await app.browser().get('/gallery/feed.atom')
  assert.match(feed.headers['content-type']!, /application\/atom\+xml/)
  const xml = feed.body.toString()
  assert.match(xml, /<title>a heron &amp; &lt;tag&gt; {2}for feeds<\/title>/)
  assert.match(xml, new RegExp(`href="${app.url}/gallery/${id}"`))
})

test('a guest begins in the gallery; where it is for members, or off, nobody else gets anything', async () => {
  const owner = await alice(app)
  const id = await shared(owner, await makePicture(app, owner, 'a heron for members'), everything)
  assert.equal((await app.browser().get('/')).location, '/gallery')
  const paths = ['/gallery', `/gallery/${id}`, `/shared/${id}/picture`, `/shared/${id}/thumb`, '/gallery/feed.atom']
  const members = (await app.another({ gallery: { open: 'members', licence: null } })).browser()
  for (const path of paths) assert.match((await members.get(path)).location, /^\/login/, path)
  assert.equal((await members.get('/')).location, '/login')
  const off = (await app.another({ gallery: { open: 'off', licence: null } })).browser()
  for (const path of paths) assert.equal((await off.get(path)).status, 404, path)
  assert.doesNotMatch((await off.get('/login')).text, /href="\/gallery"/)
})

/** Shares it as the form does: the id of the exhibit. */
/** Shares everything of theirs, as a worker does that is slow: `showNext` is its next part. */
async function beginSharing(pages: TestApp, owner: Person) {
  const all = { all: 'on', as_of: new Date().toISOString(), back: '/library' }
  const address = (await owner.post('/gallery/share/selection', all)).location
  await owner.post(address, everything)
  const claimed = await pages.db.one(
    ClaimedShare,
    `update gallery_shares set state = 'running', claim = gen_random_uuid(), lease_until = now() + interval '1 hour'
     where state = 'queued' returning *`,
  )
  const deps = { db: pages.db, log: createLog('silent'), storage: storageOf(pages) }
  return { address, showNext: (done: number) => showPart(deps, claimed, done) }
}

/** More pictures like this one. */
async function crowd({ db }: TestApp, id: string, count: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ id: string }>(
    `insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, model, prompt, requested_size, quality, width, height, bytes
     from pictures, generate_series(1, $2) where id = $1 returning id`,
    [id, count],
  )
  return rows.map(row => row.id)
}

function storageOf({ config }: TestApp): Storage {
  return openStorage({ localDirectory: `${config.dataDirectory}/assets`, s3: null, keepLocal: false })
}

/** How much of theirs is public. */
async function countShown({ db }: TestApp, { email }: Person): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>(
    'select count(*)::int as count from exhibits join users on users.id = user_id where email = $1',
    [email],
  )
  return rows[0]!.count
}

async function shared(owner: Person, picture: MadePicture, fields: Record<string, string>): Promise<string> {
  const answer = await owner.post('/gallery/share', { picture: picture.id, ...fields })
  assert.equal(answer.status, 303, answer.text.slice(0, 500))
  return answer.location.split('/').at(-1)!
}

/** A PNG file with a text in it, as models sign theirs. */
function withWords(png: Buffer): Promise<Buffer> {
  return sharp(png)
    .withExif({ IFD0: { Copyright: 'somebody' } })
    .png()
    .toBuffer()
}

/** Uses the file as a reference, which files it. */
async function bring(person: Person, bytes: Buffer): Promise<MadePicture> {
  const taken = await person.upload('/images/references', [['mine.png', bytes]], {}, { htmx: true })
  const token = taken.html.querySelector('[name="reference"]')!.getAttribute('value')!
  await makePictures(app, person, { prompt: 'like this one', reference: token })
  const { rows } = await app.db.pool.query<{ id: string }>('select id from pictures where token = $1', [token])
  return { id: rows[0]!.id, token, jobId: '' }
}

function shownIn(page: Awaited<ReturnType<Browser['get']>>): string[] {
  return page.html.querySelectorAll('.exhibit').map(tile => tile.id.slice('exhibit-'.length))
}

function authorOf(page: Awaited<ReturnType<Browser['get']>>): string {
  return new URL(page.html.querySelector('.exhibit-by a')!.getAttribute('href')!, app.url).searchParams.get('by')!
}

function operator(): Promise<Person> {
  return signedIn(app, `admin+${randomUUID().slice(0, 8)}@example.com`)
}

async function rowsOf(picture: MadePicture): Promise<{ id: string }[]> {
  const { rows } = await app.db.pool.query<{ id: string }>('select id from exhibits where picture_id = $1', [
    picture.id,
  ])
  return rows
}
