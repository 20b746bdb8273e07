import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import { ask } from '../testing/jobs.ts'
import { alice, charlie, type Person } from '../testing/people.ts'
import { testApp, until } from '../testing/server.ts'

const app = await testApp({ role: 'web' })
const { db } = app
const htmx = { htmx: true }

describe('a page that polls while nothing changes', () => {
  let person: Person
  let poll: string
  beforeEach(async () => {
    person = await alice(app)
    await ask(person, 'One that waits')
    poll = await until('a page on which nothing changes', async () => {
      const page = await person.get('/images')
      const address = page.html.querySelector('[hx-get^="/images/tiles"]')!.getAttribute('hx-get')!
      return (await person.get(address, htmx)).status === 204 && address
    })
  })
  const answer = async (who: Pick<Person, 'get'> = person) => (await who.get(poll, htmx)).status

  test('is told so, and told of a change', async () => {
    assert.equal(await answer(), 204)
    await db.run(`update image_jobs set version = version + 1 where id = any($1)`, [[idOf(poll)]])
    const changed = await person.get(poll, htmx)
    assert.equal(changed.status, 200)
    assert.match(changed.text, new RegExp(`job-${idOf(poll)}`))
  })

  test('is told nothing of somebody else’s pictures', async () => {
    const other = await charlie(app)
    const told = await other.get(poll, htmx)
    assert.equal(told.status, 200)
    assert.doesNotMatch(told.text, /One that waits/)
    assert.equal(await answer(app.browser()), 401)
  })

  test('is signed out like any other once its sign-in has ended, here or elsewhere', async () => {
    await person.post('/logout')
    assert.equal(await answer(), 401)
  })

  test('is signed out when its session is over, and by a cookie that somebody else has signed', async () => {
    const forged = `sid=${person.cookie('sid')!.slice(0, -6)}AAAAAA`
    assert.equal((await app.browser().get(poll, { ...htmx, headers: { Cookie: forged } })).status, 401)
    await db.run(
      `update sessions set expire = now() where sess->>'signInId' in (
      select id::text from sign_ins where user_id = $1)`,
      [userIdOf(person)],
    )
    assert.equal(await answer(), 401)
  })

  test('is seen once a minute, and its session goes on', async () => {
    await db.run(`update sign_ins set last_seen_at = now() - interval '2 minutes' where user_id = $1`, [
      userIdOf(person),
    ])
    assert.equal(await answer(), 204)
    const { rows } = await db.pool.query<{ seen: boolean }>(
      `select max(last_seen_at) > now() - interval '1 minute' as seen from sign_ins where user_id = $1`,
      [userIdOf(person)],
    )
    assert.ok(rows[0]!.seen)
  })
})

const userIdOf = ({ email }: Person) => app.mock.control.user(email).id
const idOf = (poll: string) => /t=([0-9a-f-]{36})/.exec(poll)![1]!
