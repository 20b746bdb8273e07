import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { before, test } from 'node:test'
import { alice, charlie, type Person } from '../testing/people.ts'
import { type TestApp, testApp } from '../testing/server.ts'
import { newToken } from './keep.ts'

let app: TestApp
before(async () => {
  app = await testApp()
})

test('a picture shows the chain it came from and what came from it, nearest first, eight steps at most', async () => {
  const person = await alice(app)
  const chain: Kept[] = []
  for (let step = 0; step < 12; step++) chain.push(await keep(person, chain.slice(-1)))
  const middle = await lineage(person, chain[6]!)
  assert.deepEqual(middle.ancestors, ids(chain.slice(0, 6).toReversed()))
  assert.deepEqual(middle.descendants, ids(chain.slice(7)))
  const last = await lineage(person, chain[11]!)
  assert.deepEqual(last.ancestors, ids(chain.slice(3, 11).toReversed()))
  assert.deepEqual(last.descendants, [])
})

test('many relatives are cut off, a circle ends, and what is in the trash is left out', async () => {
  const person = await alice(app)
  const source = await keep(person, [])
  for (let number = 0; number < 40; number++) await keep(person, [source])
  assert.equal((await lineage(person, source)).descendants.length, 24)

  const one = await keep(person, [])
  const two = await keep(person, [one])
  // The same bytes were made again from what had been made of them.
  await app.db.run('update pictures set source_tokens = array[$2] where id = $1', [one.id, two.token])
  assert.deepEqual(await lineage(person, two), { ancestors: [one.id], descendants: [one.id] })

  const gone = await keep(person, [two])
  await person.post(`/library/${gone.id}/delete`)
  assert.deepEqual((await lineage(person, two)).descendants, [one.id])
})

test("charlie's pictures are not in alice's lineage, though they name the same file", async () => {
  const [person, stranger] = [await alice(app), await charlie(app)]
  const hers = await keep(person, [])
  const his = await keep(stranger, [hers])
  assert.deepEqual(await lineage(person, hers), { ancestors: [], descendants: [] })
  assert.deepEqual(await lineage(stranger, his), { ancestors: [], descendants: [] })
  assert.equal((await stranger.get(`/library/${hers.id}`)).status, 404)
})

interface Kept {
  id: string
  token: string
}

async function keep(person: Person, sources: readonly Kept[]): Promise<Kept> {
  const token = newToken()
  const { rows } = await app.db.pool.query<{ id: string }>(
    `with owner as (select id from users where email = $1),
       file as (
         insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
         select $2, id, $3, 1, 'png', 64, 64, false, '#000000' from owner returning token)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, source_tokens, width, height, bytes)
     select owner.id, file.token, '', '', '', '', $4, 64, 64, 1 from owner, file returning id`,
    [person.email, token, randomBytes(32), sources.map(source => source.token)],
  )
  return { id: rows[0]!.id, token }
}

async function lineage(person: Person, { id }: Kept) {
  const { html } = await person.get(`/library/${id}`)
  const side = (name: string) =>
    html.querySelectorAll(`.lineage-${name} li > a:first-child`).map(link => link.getAttribute('href')!.split('/')[2])
  return { ancestors: side('ancestors'), descendants: side('descendants') }
}

function ids(pictures: readonly Kept[]): string[] {
  return pictures.map(({ id }) => id)
}
