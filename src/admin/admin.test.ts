import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { alice, charlie, type Person, signedIn } from '../testing/people.ts'
import { makePicture } from '../testing/pictures.ts'
import { declaredRoutes } from '../testing/routes.ts'
import { type TestApp, testApp } from '../testing/server.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

/** A new one each time, so that tests do not meet. */
function operator(browser = app.browser()): Promise<Person> {
  return signedIn(app, `admin+${randomUUID().slice(0, 8)}@example.com`, browser)
}

function profilesAsked({ email }: Person): number {
  return app.mock.control.panelCalls({ path: '/api/v1/user/profile', email }).length
}

/** A picture of hers that hangs in the gallery, to be judged. */
async function exhibitOf(owner: Person): Promise<string> {
  const picture = await makePicture(app, owner, `a heron that hangs ${randomUUID()}`)
  const shared = await owner.post('/gallery/share', { picture: picture.id, where: 'gallery', name: 'Alice' })
  return shared.location.split('/').at(-1)!
}

test('to guests and members there is none of the addresses of operators', async () => {
  const routes = declaredRoutes().filter(({ room, address }) => room === 'admin' || /reports|judge/.test(address))
  assert.ok(routes.length > 3)
  for (const who of [app.browser(), await charlie(app)]) {
    for (const { method, address } of routes) {
      if (address === '/status') continue
      const path = address.replaceAll(/:\w+/g, () => (address.includes('people') ? '7' : randomUUID()))
      const answer = method === 'POST' ? await who.post(path, {}) : await who.get(path)
      assert.equal(answer.status, 404, `${method} ${path}`)
    }
  }
})

test('whoever looks is asked after at the gateway, once for a moment; whoever acts is asked after each time', async () => {
  const [owner, admin] = [await alice(app), await operator()]
  const id = await exhibitOf(owner)
  const known = profilesAsked(admin)

  for (const path of ['/admin', '/admin/log', '/gallery/reports']) assert.equal((await admin.get(path)).status, 200)
  assert.equal(profilesAsked(admin), known + 1)
  for (const did of ['hide', 'show']) await admin.post(`/gallery/${id}/judge`, { did, reason: 'no' })
  assert.equal(profilesAsked(admin), known + 3)
})

test('who is no operator at the gateway any more does nothing more, and sees nothing more in any process', async () => {
  const [owner, admin] = [await alice(app), await operator()]
  const id = await exhibitOf(owner)
  const other = await operator((await app.another({ role: 'web' })).browser())
  assert.equal((await other.get('/admin')).status, 200)
  await other.post(`/gallery/${id}/judge`, { did: 'hide', reason: 'no' })
  assert.equal((await admin.get(`/shared/${id}/thumb`)).status, 200)

  for (const { email } of [admin, other]) app.mock.control.user(email, { role: 'user' })

  for (const who of [admin, other]) {
    assert.equal((await who.post(`/gallery/${id}/judge`, { did: 'show' })).status, 404)
    for (const path of ['/admin', '/admin/log', `/gallery/${id}`, `/shared/${id}/thumb`]) {
      assert.equal((await who.get(path)).status, 404, path)
    }
    assert.doesNotMatch((await who.get('/account')).text, /href="\/admin"/)
  }
})

test('while the gateway cannot be asked nobody is an operator on our word', async () => {
  const admin = await operator()
  app.mock.control.fault({
    match: { path: '/api/v1/user/profile', email: admin.email },
    reply: { status: 503 },
    times: 2,
  })
  assert.equal((await admin.get('/admin')).status, 502)
  assert.equal((await admin.post(`/gallery/${randomUUID()}/judge`, { did: 'show' })).status, 502)
  assert.equal((await admin.get('/admin')).status, 200)
})

test('every act is in one log: who, when, what, and no secret that somebody pasted', async () => {
  const [owner, admin] = [await alice(app), await operator()]
  const id = await exhibitOf(owner)
  const { key } = app.mock.control.keysOf(owner.email)[0]!
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl'
  const planted = [key, `rt_${'0123456789abcdef'.repeat(4)}`, jwt]

  for (const secret of planted) {
    const hidden = await admin.post(`/gallery/${id}/judge`, { did: 'hide', reason: `look <at> ${secret}` })
    assert.equal(hidden.status, 303, hidden.text.slice(0, 300))
  }
  await admin.post(`/gallery/${id}/judge`, { did: 'show' })

  const log = await admin.get('/admin/log')
  assert.match(log.text, /look &lt;at&gt;/)
  for (const words of [admin.email.replace('+', '\\+'), owner.email, 'hid a picture', 'showed a picture again']) {
    assert.match(log.text, new RegExp(words))
  }
  const { rows } = await app.db.pool.query<{ row: string }>('select to_jsonb(a)::text as row from operator_acts a')
  for (const secret of planted) assert.ok(!rows.some(({ row }) => row.includes(secret)))
  const mine = /\/admin\/log\?who=\d+/.exec(log.text)![0]
  assert.match((await admin.get(mine)).text, /hid a picture/)
})

test('a long log goes on, and what earlier versions wrote down stands in it', async () => {
  const admin = await operator()
  await app.db.run(
    `insert into gallery_audit (admin_id, did, picture_id, user_id, reason)
     select 4711, 'hide', gen_random_uuid(), 4712, 'reason ' || n from generate_series(1, 60) n`,
  )
  const first = await admin.get('/admin/log?who=4712')
  assert.match(first.text, /reason 60</)
  assert.doesNotMatch(first.text, /reason 10</)
  const older = first.html.querySelector('.card > p a.button')!.getAttribute('href')!.replaceAll('&amp;', '&')
  const second = await admin.get(older)
  assert.match(second.text, /reason 10</)
  assert.equal(second.html.querySelector('.card > p a.button'), null)
})
