import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { alice, charlie, type Person, signedIn } from './testing/people.ts'
import { type MadePicture, makePictures } from './testing/pictures.ts'
import { declaredRoutes } from './testing/routes.ts'
import { type TestApp, testApp } from './testing/server.ts'

/** What Alice has, each by the name that its routes know it by. */
interface Belongings {
  picture: MadePicture
  folder: string
  /** Something that she did with pictures, and may undo. */
  change: string
  /** A picture that she showed and an operator has hidden: it is there for the two of them. */
  exhibit: string
  /** Of very many that she was asked about. */
  share: string
  export: string
}

type Ask = (hers: Belongings) => { path: string; fields?: Record<string, string> }

let app: TestApp
before(async () => {
  app = await testApp()
})

const everything = { where: 'gallery', prompt: 'on', settings: 'on', name: 'Alice' }

/** How each route is asked for what is not one's own. */
const asked: Record<string, Ask> = {
  'GET /files/:token': ({ picture }) => ({ path: `/files/${picture.token}` }),
  'GET /files/:token/thumb': ({ picture }) => ({ path: `/files/${picture.token}/thumb` }),
  'GET /files/:token/screen': ({ picture }) => ({ path: `/files/${picture.token}/screen` }),
  'GET /files/:token/original': ({ picture }) => ({ path: `/files/${picture.token}/original` }),
  'GET /files/:token/copy': ({ picture }) => ({ path: `/files/${picture.token}/copy?format=webp` }),
  'GET /library/:id': ({ picture }) => ({ path: `/library/${picture.id}` }),
  'POST /library/:id/details': ({ picture }) => ({
    path: `/library/${picture.id}/details`,
    fields: { folder: 'Mine now', tags: 'mine' },
  }),
  'POST /library/:id/favourite': ({ picture }) => ({
    path: `/library/${picture.id}/favourite`,
    fields: { favourite: 'on' },
  }),
  'POST /library/:id/delete': ({ picture }) => ({ path: `/library/${picture.id}/delete` }),
  'POST /library/:id/restore': ({ picture }) => ({ path: `/library/${picture.id}/restore` }),
  'POST /library/changes/:id/undo': ({ change }) => ({ path: `/library/changes/${change}/undo` }),
  'POST /library/changes/:id/stop': ({ change }) => ({ path: `/library/changes/${change}/stop` }),
  'GET /library/changes/:id': ({ change }) => ({ path: `/library/changes/${change}` }),
  'POST /library/folders/:id/name': ({ folder }) => ({
    path: `/library/folders/${folder}/name`,
    fields: { name: 'Mine now' },
  }),
  'POST /library/folders/:id/merge': ({ folder }) => ({
    path: `/library/folders/${folder}/merge`,
    fields: { into: randomUUID() },
  }),
  'POST /library/folders/:id/cover': ({ folder, picture }) => ({
    path: `/library/folders/${folder}/cover`,
    fields: { picture: picture.id },
  }),
  'POST /library/folders/:id/delete': ({ folder }) => ({ path: `/library/folders/${folder}/delete` }),
  'GET /derive/:id/crop': ({ picture }) => ({ path: `/derive/${picture.id}/crop` }),
  'POST /derive/:id/crop': ({ picture }) => ({ path: `/derive/${picture.id}/crop`, fields: { turn: '90' } }),
  'GET /derive/:id/cut-out': ({ picture }) => ({ path: `/derive/${picture.id}/cut-out` }),
  'POST /derive/:id/cut-out': ({ picture }) => ({ path: `/derive/${picture.id}/cut-out` }),
  'POST /derive/:id/cut-out/ask': ({ picture }) => ({ path: `/derive/${picture.id}/cut-out/ask` }),
  'GET /derive/:id/extend': ({ picture }) => ({ path: `/derive/${picture.id}/extend` }),
  'POST /derive/:id/extend': ({ picture }) => ({ path: `/derive/${picture.id}/extend`, fields: { left: '64' } }),
  'GET /derive/:id/marks': ({ picture }) => ({ path: `/derive/${picture.id}/marks` }),
  'POST /derive/:id/marks': ({ picture }) => ({ path: `/derive/${picture.id}/marks` }),
  'GET /gallery/:id': ({ exhibit }) => ({ path: `/gallery/${exhibit}` }),
  'GET /shared/:id': ({ exhibit }) => ({ path: `/shared/${exhibit}` }),
  'GET /shared/:id/picture': ({ exhibit }) => ({ path: `/shared/${exhibit}/picture` }),
  'GET /shared/:id/thumb': ({ exhibit }) => ({ path: `/shared/${exhibit}/thumb` }),
  'GET /shared/:id/card.jpg': ({ exhibit }) => ({ path: `/shared/${exhibit}/card.jpg` }),
  'POST /gallery/:id/like': ({ exhibit }) => ({ path: `/gallery/${exhibit}/like`, fields: { like: 'on' } }),
  'POST /gallery/:id/report': ({ exhibit }) => ({
    path: `/gallery/${exhibit}/report`,
    fields: { reason: 'spam', words: '' },
  }),
  'POST /gallery/:id/judge': ({ exhibit }) => ({ path: `/gallery/${exhibit}/judge`, fields: { did: 'show' } }),
  'GET /gallery/shares/:id': ({ share }) => ({ path: `/gallery/shares/${share}` }),
  'GET /gallery/shares/:id/pictures': ({ share }) => ({ path: `/gallery/shares/${share}/pictures` }),
  'POST /gallery/shares/:id': ({ share }) => ({ path: `/gallery/shares/${share}`, fields: everything }),
  'POST /gallery/shares/:id/stop': ({ share }) => ({ path: `/gallery/shares/${share}/stop` }),
  'POST /gallery/shares/:id/undo': ({ share }) => ({ path: `/gallery/shares/${share}/undo` }),
  'POST /gallery/:id/withdraw': ({ exhibit }) => ({ path: `/gallery/${exhibit}/withdraw` }),
  'GET /exports/:id/file': hers => ({ path: `/exports/${hers.export}/file` }),
  'POST /exports/:id/delete': hers => ({ path: `/exports/${hers.export}/delete` }),
}
/** These name what belongs to everybody. */
const forAll = ['POST /gallery/authors/:id/block']

test('at every address of library, gallery, exports and tools that names something, charlie finds nothing of alice’s', async () => {
  const owner = await alice(app)
  const hers = await belongingsOf(owner)
  const known = await stateOf(owner)
  const stranger = await charlie(app)
  const named = declaredRoutes()
    .filter(({ address, room }) => ['library', 'gallery', 'exports', 'derive'].includes(room) && address.includes(':'))
    .map(({ method, address }) => `${method} ${address}`)
    .filter(route => !forAll.includes(route))
  assert.deepEqual(named.toSorted(), Object.keys(asked).toSorted(), 'each is asked here')

  for (const route of named) {
    const { path, fields = {} } = asked[route]!(hers)
    const answer = route.startsWith('GET') ? await stranger.get(path) : await stranger.post(path, fields)
    assert.equal(answer.status, 404, `${route}: ${answer.status}`)
    assert.doesNotMatch(answer.text, /her own heron/, route)
    if (!route.startsWith('GET')) continue
    assert.equal((await stranger.head(path)).status, 404, `HEAD ${path}`)
  }
  assert.deepEqual(await stateOf(owner), known)
})

async function belongingsOf(owner: Person): Promise<Belongings> {
  const [picture, other] = await makePictures(app, owner, { prompt: 'her own heron', n: '2' })
  const exported = await owner.post('/exports', { id: picture!.id })
  assert.equal(exported.status, 303)
  const shared = await owner.post('/gallery/share', { ...everything, picture: other!.id })
  const exhibit = shared.location.split('/').at(-1)!
  const admin = await signedIn(app, `admin+${randomUUID().slice(0, 8)}@example.com`)
  await admin.post(`/gallery/${exhibit}/judge`, { did: 'hide', reason: 'no' })
  const moved = await owner.post('/library/selection', { act: 'move', id: picture!.id, folder: 'Herons' })
  const page = await owner.get(`/library/${picture!.id}`)
  const folder = /\/library\/folders\/([\w-]+)\/cover/.exec(page.text)![1]!
  const { rows } = await app.db.pool.query<{ id: string }>('select id from exports order by created_at desc limit 1')
  const asked = await app.db.pool.query<{ id: string }>(
    `with share as (insert into gallery_shares (user_id, total) select user_id, 1 from pictures where id = $1 returning id)
     insert into gallery_share_pictures (share_id, place, picture_id) select id, 1, $1 from share returning share_id as id`,
    [picture!.id],
  )
  const change = new URL(moved.location, app.url).searchParams.get('undo')!
  return { picture: picture!, folder, change, exhibit, share: asked.rows[0]!.id, export: rows[0]!.id }
}

/** All that the routes could have changed of hers. */
async function stateOf({ email }: Person) {
  const ask = async (sql: string) => (await app.db.pool.query<Record<string, unknown>>(sql, [email])).rows
  const mine = 'user_id = (select id from users where email = $1)'
  return {
    pictures: await ask(
      `select id, favourite, folder_id, tags, deleted_at from pictures where ${mine} order by position`,
    ),
    folders: await ask(`select id, name, cover from folders where ${mine}`),
    changes: await ask(`select id, did from library_changes where ${mine}`),
    exhibits: await ask(`select id, hidden_because, likes from exhibits where ${mine}`),
    shares: await ask(`select id, state, done from gallery_shares where ${mine}`),
    exports: await ask(`select id from exports where ${mine}`),
  }
}
