import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { boundKey, tokenOf } from './agents.ts'
import { say } from './conversations.ts'
import { assertNoSecrets, hearFetches, rowsOf, snapshotsIn } from './leaks.ts'
import { alice } from './people.ts'
import { testApp } from './server.ts'

const app = await testApp({ role: 'web' })
const fetched = hearFetches(app.mock.url)

test('a secret is found in a row, as bytes too, in a snapshot, and in what was fetched', async () => {
  const person = await alice(app)
  await say(person, 'hello')
  const [key] = app.mock.control.keysOf(person.email)
  const token = await tokenOf(app, await boundKey(app, person))
  assertNoSecrets(app.mock, [...fetched, ...(await rowsOf(app.db)), ...snapshotsIn(app.config.dataDirectory)])

  const places: [place: string, show: (secret: string) => Promise<unknown>, hide: () => Promise<unknown>][] = [
    [
      'text',
      secret => app.db.run('update chat_messages set text = $1', [secret]),
      () => app.db.run(`update chat_messages set text = ''`),
    ],
    [
      'bytes',
      secret => app.db.run('update accounts set key_secret = $1', [Buffer.from(`..${secret}..`)]),
      () => app.db.run('update accounts set key_secret = null'),
    ],
    ['snapshot', snapshot, () => snapshot('')],
  ]
  for (const [place, show, hide] of places) {
    for (const secret of place === 'bytes' ? [key!.key] : [key!.key, token]) {
      await show(secret)
      const kept = [...(await rowsOf(app.db)), ...snapshotsIn(app.config.dataDirectory)]
      assert.throws(() => assertNoSecrets(app.mock, kept), /came out in/, place)
      await hide()
    }
  }
  for (const text of [key!.key, token]) {
    assert.throws(() => assertNoSecrets(app.mock, [{ what: 'fetch of a page', text }]), /came out in/)
  }
  assert.doesNotThrow(() =>
    assertNoSecrets(app.mock, [{ what: 'fetch http://x/api/playground/ssh/login', text: token }]),
  )
  assert.ok(
    fetched.some(({ what, text }) => what.endsWith('/ssh/login') && text.includes(token)),
    'fetches are heard',
  )
})

async function snapshot(secret: string): Promise<void> {
  const folder = path.join(app.config.dataDirectory, 'assets', 'ab')
  await mkdir(folder, { recursive: true })
  await writeFile(path.join(folder, 'abcdefgh.conversation'), JSON.stringify({ secret }))
}
