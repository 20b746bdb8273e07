import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { boundKey, tokenOf } from './testing/agents.ts'
import { talk } from './testing/conversations.ts'
import { ask, jobEnd } from './testing/jobs.ts'
import { alice, type Person } from './testing/people.ts'
import { declaredRoutes } from './testing/routes.ts'
import { testApp } from './testing/server.ts'
import { someOf } from './testing/some-of.ts'

const app = await testApp()

/** What a program may put where a text is meant. */
const words: readonly string[] = [
  'a\0b',
  '\0',
  '\ud83d',
  '😀'.repeat(150),
  '1e999',
  '99999999999999999999',
  '4294967296',
  'NaN',
  // Cursors: of no date at all, and of one in the year 198441.
  'zzzzzzzzzzz.00000000-0000-4000-8000-000000000000',
  `${(6.2e15).toString(36)}.00000000-0000-4000-8000-000000000000`,
  '__proto__',
  // Too long for an index, and nothing that could be compressed.
  Array.from({ length: 4000 }, (_, at) => ((at * 2_654_435_761) % 2 ** 32).toString(36)).join(''),
  '../../../../etc/passwd',
  '00000000-0000-4000-8000-000000000000',
]

const routes = declaredRoutes()
// They would sign the person out, and have a test of their own.
const lasting = routes.filter(({ address }) => !/\/(logout|end-all|end|login)$/.test(address))

/** Every field of a form, of a query and of a task, with something that passes. */
const usual: Record<string, string> = {
  ...Object.fromEntries(fieldsOfForms().map(name => [name, ''])),
  ...fieldsIn(
    'prompt=a fox&prompts=a fox&text=hello&size=1024x1024&n=1&quality=low&name=me&title=mine&background=auto',
  ),
  ...fieldsIn('moderation=auto&format=png&model=gpt-image-2&favourite=on&width=1024&height=1024&email=a@example.com'),
  ...fieldsIn('password=x&code=123456&mode=generate&output_format=png&conversation_id=&cursor=&limit=10&status=queued'),
  ...fieldsIn('index=0&a=&after=&at=&before=&deleted=&download=&edit=&from=&s=&t=&v='),
}
// Each time another part of the fields is hostile, so that every one of them meets others that pass.
const PARTS = 4

test('no value that a person sends, wherever they put it, is answered with a bug', async () => {
  const person = await alice(app)
  const own = await belongings(person)
  const bearer = await tokenOf(app, await boundKey(app, person))
  const bugs: string[] = []

  for (const [turn, word] of words.entries()) {
    const asked = someOf(lasting, 4, turn).map(async ({ method, address: route }, at) => {
      const part = (turn + at) % PARTS
      const fields = Object.entries(usual).map(([name, value], index) => [name, index % PARTS === part ? word : value])
      const address = addressOf(route, (turn + at) % 3 === 0 ? word : null, own)
      const isApi = route.startsWith('/api/')
      const status = await send(method, address, fields as [string, string][], {
        ...(isApi ? { Authorization: `Bearer ${bearer}` } : { Cookie: `sid=${person.cookie('sid')}` }),
        ...(isApi && method === 'POST' && { 'Content-Type': 'application/json' }),
        ...(!isApi && turn % 2 === 0 && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      })
      if (status >= 500) bugs.push(`${status} ${method} ${route}: ${JSON.stringify(word).slice(0, 60)}`)
    })
    await Promise.all(asked)
  }
  assert.deepEqual(bugs, [])
})

test('nor one bad field among others that pass', async () => {
  const person = await alice(app)
  const own = await belongings(person)
  const bearer = await tokenOf(app, await boundKey(app, person))
  const bugs: string[] = []
  const some = [...words, 'x'.repeat(100_000), '字'.repeat(33_000)]
  const posts = lasting.filter(({ method }) => method === 'POST')
  for (const [at, { method, address: route }] of posts.entries()) {
    const isApi = route.startsWith('/api/')
    const asked = someOf(fieldsOfRoom(route), 5, at).map(async (bad, turn) => {
      const word = some[(at + turn) % some.length]!
      const fields = Object.entries({ ...usual, [bad]: word })
      const status = await send(method, addressOf(route, null, own), fields, {
        ...(isApi ? { Authorization: `Bearer ${bearer}` } : { Cookie: `sid=${person.cookie('sid')}` }),
        ...(isApi && { 'Content-Type': 'application/json' }),
        ...(!isApi && turn % 2 === 0 && { 'Content-Type': 'application/x-www-form-urlencoded' }),
      })
      if (status >= 500) bugs.push(`${status} ${method} ${route}, ${bad}: ${JSON.stringify(word).slice(0, 60)}`)
    })
    await Promise.all(asked)
  }
  assert.deepEqual(bugs, [])
})

test('nor what signs people in and out, whoever sends it', async () => {
  const bugs: string[] = []
  const signing = routes.filter(each => each.method === 'POST' && !lasting.includes(each))
  for (const { method, address: route } of signing) {
    for (const word of ['a\0b', '\ud83d', '__proto__', 'x'.repeat(100_000)]) {
      const person = await alice(app)
      const isApi = route.startsWith('/api/')
      const status = await send(
        method,
        addressOf(route, word, {}),
        Object.keys(usual).map(name => [name, word]),
        {
          ...(!isApi && { Cookie: `sid=${person.cookie('sid')}` }),
          'Content-Type': isApi ? 'application/json' : 'application/x-www-form-urlencoded',
        },
      )
      if (status >= 500) bugs.push(`${status} ${method} ${route}: ${JSON.stringify(word).slice(0, 60)}`)
    }
  }
  assert.deepEqual(bugs, [])
})

test('nor one of a guest', async () => {
  const bugs: string[] = []
  for (const { method, address: route } of routes) {
    const fields = Object.keys(usual).map((name): [string, string] => [name, 'a\0b'])
    const status = await send(method, addressOf(route, 'a\0b', {}), fields, {})
    if (status >= 500) bugs.push(`${status} ${method} ${route}`)
  }
  assert.deepEqual(bugs, [])
})

/** The fields of the forms of the room that a route is of; of tasks all. */
function fieldsOfRoom(route: string): string[] {
  const room = route.split('/')[1]!
  const folder = room === 'api' ? '*' : room
  const named = fieldsOfForms(folder)
  return [...new Set(named.length > 0 ? named : Object.keys(usual))]
}

function fieldsIn(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query))
}

function fieldsOfForms(room = '*'): string[] {
  const folder = path.join(import.meta.dirname, '../views')
  const templates = globSync(`${room}/*.eta`, { cwd: folder }).map(file =>
    readFileSync(path.join(folder, file), 'utf8'),
  )
  return templates.flatMap(text =>
    [...text.matchAll(/<(?:input|button|select|textarea)\b[^>]*? name="([a-z_]+)"/g)].map(([, name = '']) => name),
  )
}

/** The address with every part of it hostile, or naming what is the person's own. */
function addressOf(route: string, word: string | null, own: Record<string, string>): string {
  const room = route.split('/')[1]
  return route.replace(/:(\w+)/g, (_, name: string) => {
    const part = word ?? own[`${room} ${name}`] ?? 'x'
    return encodeURIComponent(part.toWellFormed().slice(0, 5000))
  })
}

/** The status of the answer; the fields are in the query, and in the body as its type says, multipart without one. */
async function send(
  method: string,
  address: string,
  fields: [string, string][],
  headers: Record<string, string>,
): Promise<number> {
  const query = fields.map(([name, value]) => [name, value.slice(0, 50)])
  const stop = new AbortController()
  const answer = await fetch(`${app.url}${address}?${new URLSearchParams(query)}`, {
    method,
    headers: { Origin: app.url, Accept: 'text/html', ...headers },
    redirect: 'manual',
    signal: stop.signal,
    ...(method === 'POST' && { body: bodyOf(address, headers['Content-Type'], fields) }),
  })
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) stop.abort()
  else await answer.arrayBuffer()
  return answer.status
}

function bodyOf(address: string, type: string | undefined, all: [string, string][]): FormData | string {
  // Beside these nothing else of a form counts.
  const isMoving = /^(remove|earlier|later|unmask)$/
  const fields = address.endsWith('/references') ? all : all.filter(([name]) => !isMoving.test(name))
  if (type === 'application/json') return JSON.stringify(Object.fromEntries(fields))
  // Some come twice, and are lists.
  const twice = fields.flatMap(field => (field[0].length % 4 === 0 ? [field, field] : [field]))
  if (type) return new URLSearchParams(twice).toString()
  const form = new FormData()
  for (const [name, value] of twice) form.append(name, value)
  form.append('file', new Blob(['hello']), 'note\ud83d.txt')
  return form
}

/** One of everything that an address can name. */
async function belongings(person: Person): Promise<Record<string, string>> {
  const job = await ask(person, 'a fox')
  await jobEnd(app.db, job)
  const { id, reply } = await talk(app.db, person, 'hello')
  const { rows } = await app.db.pool.query<{ id: string; token: string }>(
    'select id, token from pictures where job_id = $1',
    [job],
  )
  const { id: picture = '', token = '' } = rows[0] ?? {}
  return {
    'images id': job,
    'images version': '1',
    'library id': picture,
    'files token': token,
    'chat id': id,
    'chat message': reply.messageId,
    'api id': job,
    'api token': token,
  }
}
