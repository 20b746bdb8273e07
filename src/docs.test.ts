import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { configurationPage, envExample } from './settings/tables.ts'
import { testDatabase } from './testing/database.ts'
import { declaredRoutes, type Route } from './testing/routes.ts'
import { describeSchema } from './testing/schema.ts'
import { testApp } from './testing/server.ts'

const root = path.join(import.meta.dirname, '..')

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

const pages = ['deploy', 'upgrade', 'troubleshoot', 'backup', 'configuration'].map(name => `docs/${name}`)
const pairs = [['README.md', 'README_CN.md'], ...pages.map(page => [`${page}.md`, `${page}.zh-CN.md`])] as [
  string,
  string,
][]

for (const [english, chinese] of pairs) {
  test(`${english} and ${chinese} tell the same, part by part`, () => {
    const shape = (file: string) =>
      [...read(file).matchAll(/^(#+) |^(```\w*)$|^(\|)/gm)].map(([, heading, fence, row]) => heading ?? fence ?? row)
    assert.deepEqual(shape(chinese), shape(english))
    assert.deepEqual(commandsOf(chinese).map(bare), commandsOf(english).map(bare))
  })
}

test('docs/commands.md says of every command how it was run, and nothing leads nowhere', () => {
  const told = new Set(
    [...read('docs/commands.md').matchAll(/^\| `(.+)` \| .+ \|$/gm)].map(([, each]) => each!.replaceAll('\\|', '|')),
  )
  const papers = ['deploy', 'upgrade', 'backup', 'moving', 'operations', 'troubleshoot', 'figures']
  const asked = new Set(
    ['README.md', ...papers.map(name => `docs/${name}.md`)].flatMap(file => [
      ...commandsOf(file).map(bare),
      ...commandsInSentences(file),
    ]),
  )
  assert.deepEqual([...told].sort(), [...asked].sort())
  const broken = [...pairs.flat(), 'docs/commands.md', 'docs/operations.md', 'docs/operations.zh-CN.md'].flatMap(file =>
    [...read(file).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
      .filter(([, target]) => !existsSync(path.join(root, path.dirname(file), target!)))
      .map(([, target]) => `${file}: ${target}`),
  )
  assert.deepEqual(broken, [])
})

/** Of the blocks to be typed, one a line. */
function commandsOf(file: string): string[] {
  return [...read(file).matchAll(/^```bash\n([\s\S]*?)^```$/gm)]
    .flatMap(([, block]) => block!.replaceAll(/ *\\\n\s*/g, ' ').split('\n'))
    .map(line => line.trim())
    .filter(Boolean)
}

function commandsInSentences(file: string): string[] {
  const text = read(file).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...text.matchAll(/`((?:npm|npx|node|docker|kubectl|sha256sum|openssl|15 3) [^`]+)`/g)].map(
    ([, each]) => each!,
  )
}

/** Without what is said about it. */
function bare(command: string): string {
  return command.replace(/ +#.*$/, '')
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

/** Compares, or writes it when the tests run with `--test-update-snapshots`. */
function isFile(t: TestContext, name: string, text: string): void {
  try {
    t.assert.fileSnapshot(text, path.join(root, name), { serializers: [String] })
  } catch (error) {
    throw new Error(`${name} is not what is so: npm run docs writes it anew`, { cause: error })
  }
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
