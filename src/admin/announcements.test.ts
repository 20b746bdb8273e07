import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import type { Browser } from '../testing/browser.ts'
import { alice, type Person, signedIn } from '../testing/people.ts'
import { type TestApp, testApp, until } from '../testing/server.ts'

let app: TestApp
let admin: Person
before(async () => {
  app = await testApp()
  admin = await signedIn(app, 'admin@example.com')
})

function announce(fields: Record<string, string>) {
  return admin.post('/admin/bulletin/announcements', {
    id: randomUUID(),
    en: '',
    zh: '',
    from: '',
    until: '',
    ...fields,
  })
}

async function told(browser: Browser, path: string): Promise<string> {
  return (await browser.get(path)).html.querySelector('#bulletin')?.text.replace(/\s+/g, ' ') ?? ''
}

test('an announcement is on every page in the reader’s language, as text, until each puts it away', async () => {
  const [person, guest] = [await alice(app), app.browser()]
  const id = randomUUID()
  assert.equal((await announce({ id, en: 'Tonight <b>we</b> move', zh: '今晚搬家' })).status, 303)
  await announce({ id, en: 'pressed twice' })

  for (const [who, path] of [
    [person, '/images'],
    [person, '/nowhere'],
    [guest, '/login'],
    [guest, '/gallery'],
  ] as const) {
    await until(path, async () => (await told(who, path)).includes('Tonight <b>we</b> move'))
  }
  assert.equal((await guest.get('/login')).html.querySelector('#bulletin b'), null)
  await guest.post('/preferences', { language: 'zh-CN', back: '/login' })
  assert.match(await told(guest, '/login'), /今晚搬家/)

  for (const who of [person, guest]) {
    assert.equal((await who.post(`/announcements/${id}/dismiss`)).status, 303)
    assert.equal(await told(who, '/login'), '')
  }
  const elsewhere = await signedIn(app, person.email)
  assert.equal(await told(elsewhere, '/images'), '', 'put away in one browser, it is in the other')
  assert.match(await told(app.browser(), '/login'), /Tonight/)
  assert.equal((await person.post(`/announcements/${randomUUID()}/dismiss`)).status, 303)

  await admin.post(`/admin/bulletin/announcements/${id}/withdraw`)
  await until('it to be gone', async () => (await told(app.browser(), '/login')) === '')
  const { rows } = await app.db.pool.query<{ act: string }>(
    'select act from operator_acts where subject = $1 order by id',
    [id],
  )
  assert.deepEqual(
    rows.map(({ act }) => act),
    ['announce', 'withdraw_announcement'],
  )
})

test('it is told from when to when it says, and who reads one language is told what there is', async () => {
  const guest = app.browser()
  await announce({ en: 'planned for later', from: '2096-03-01T12:00' })
  await announce({ zh: '只有中文', until: '2096-03-01T12:00' })
  await until('what is told now', async () => (await told(guest, '/login')).includes('只有中文'))
  assert.doesNotMatch(await told(guest, '/login'), /planned/)
  assert.match((await admin.get('/admin/bulletin')).text, /planned for later/)
})

test('what cannot be announced is given back as it was typed', async () => {
  const empty = await announce({})
  assert.deepEqual([empty.status, /at least/.test(empty.text)], [422, true])
  const over = await announce({ en: 'my <words>', from: '2096-03-02T00:00', until: '2096-03-01T00:00' })
  assert.equal(over.status, 422)
  assert.match(over.html.querySelector('#en')!.text, /my <words>/)
  assert.equal((await announce({ en: 'x', until: 'tomorrow' })).status, 422)
  assert.equal((await announce({ en: 'x'.repeat(501) })).status, 422)
})
