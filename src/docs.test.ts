import assert from 'node:assert/strict'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { configurationPage, envExample } from './settings/tables.ts'
import { testDatabase } from './testing/database.ts'
import { declaredRoutes, type Route } from './testing/routes.ts'
import { describeSchema } from './testing/schema.ts'
import { testApp } from './testing/server.ts'

test('docs/schema.sql is what the migrations make, and makes the same', async t => {
  const db = await testDatabase()
  const schema = await describeSchema(db)
  isFile(t, 'docs/schema.sql', `-- What migrations/ make. Written by npm run docs.\n\n${schema}`)
  await db.run('drop schema public cascade; create schema public')
  await db.run(schema)
  assert.equal(await describeSchema(db), schema)
})

test('docs/routes.md names every route, its room, and who may pass', async t => {
  const { url } = await testApp({ role: 'web' })
  const lines = await Promise.all(
    declaredRoutes().map(
      async route => `| ${route.method} | \`${route.address}\` | ${route.room} | ${await lockOf(url, route)} |`,
    ),
  )
  const head = '# Routes\n\nWho may pass is what a guest is told. Written by `npm run docs`.\n'
  isFile(t, 'docs/routes.md', `${[head, '| | address | room | lock |', '|---|---|---|---|', ...lines].join('\n')}\n`)
})

test('docs/configuration.md, its Chinese sister and .env.example tell every variable', t => {
  isFile(t, 'docs/configuration.md', configurationPage('en'))
  isFile(t, 'docs/configuration.zh-CN.md', configurationPage('zh-CN'))
  isFile(t, '.env.example', envExample())
})

/** Compares, or writes it when the tests run with `--test-update-snapshots`. */
function isFile(t: TestContext, name: string, text: string): void {
  t.assert.fileSnapshot(text, path.join(import.meta.dirname, '..', name), { serializers: [String] })
}

/** What somebody meets there who shows nothing. */
async function lockOf(url: string, { method, address }: Route): Promise<string> {
  const res = await fetch(url + address.replaceAll(/:\w+/g, '00000000-0000-4000-8000-000000000000'), {
    method,
    redirect: 'manual',
    headers: { 'Sec-Fetch-Site': 'same-origin', 'X-Requested-With': 'test', Accept: 'text/html' },
  })
  await res.arrayBuffer()
  if (res.status === 401) return 'bearer token'
  if (res.headers.get('location')?.startsWith('/login') && address !== '/') return 'signed in'
  return '–'
}
