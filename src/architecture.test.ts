import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const root = import.meta.dirname

/** Which rooms a room may lean on. `session` is who asks, so that every room with a door may know it. */
const rooms: Record<string, readonly string[]> = {
  session: [],
  account: ['session'],
  spend: ['session', 'account'],
  library: ['session'],
  images: ['session', 'account', 'spend', 'library'],
  chat: ['session', 'account', 'spend', 'library', 'images'],
  agents: ['session', 'account', 'library', 'images'],
  upkeep: ['session', 'account', 'library', 'images', 'chat', 'agents'],
  ops: [],
}
const groundFloor = ['wire', 'db', 'postgres', 'web', 'gateway', 'storage', 'models', 'pixels', 'secrets', 'work']
/** The words every room shares; they know no feature. */
const commons = ['config.ts', 'deps.ts', 'log.ts', 'metrics.ts', 'refiler.ts', 'stopping.ts']

interface Source {
  name: string
  room: string
  text: string
  imports: string[]
}

const sources: Source[] = globSync('**/*.ts', { cwd: root })
  .filter(name => !name.endsWith('.test.ts'))
  .map(name => {
    const text = readFileSync(path.join(root, name), 'utf8')
    const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, target]) =>
      path.posix.normalize(path.posix.join(path.posix.dirname(name), target!)),
    )
    return { name, room: roomOf(name), text, imports }
  })

function roomOf(name: string): string {
  return name.includes('/') ? name.split('/')[0]! : name
}

test('every folder is a room, a part of the ground floor or the test kit', () => {
  const known = [...Object.keys(rooms), ...groundFloor, 'mock', 'testing']
  const unknown = sources.map(({ room }) => room).filter(room => !room.endsWith('.ts') && !known.includes(room))
  assert.deepEqual([...new Set(unknown)], [])
})

test('rooms lean only on the rooms below them, and the ground floor on none', () => {
  const wrong = sources.flatMap(({ name, room, imports }) =>
    imports
      .map(target => ({ name, target, to: roomOf(target) }))
      .filter(({ to }) => to !== room && to in rooms)
      .filter(({ to }) =>
        room in rooms ? !rooms[room]!.includes(to) : groundFloor.includes(room) || commons.includes(room),
      )
      // Generated from the templates: it names the types that they show.
      .filter(() => name !== 'web/views.gen.ts'),
  )
  assert.deepEqual(wrong, [])
})

test('what another room uses is not in a file of routes', () => {
  const wrong = sources.flatMap(({ name, room, imports }) =>
    imports.filter(target => /[/-]routes\.ts$/.test(target) && roomOf(target) !== room && name !== 'app.ts'),
  )
  assert.deepEqual(wrong, [])
})

test('the mock gateway is a foreign system: it knows nothing of the house, and only tests know it', () => {
  const isMock = (name: string) => name.startsWith('mock/')
  const wrong = sources.flatMap(({ name, imports }) =>
    imports.filter(target => isMock(target) !== isMock(name) && (isMock(name) || !name.startsWith('testing/'))),
  )
  assert.deepEqual(wrong, [])
})

test('only tests use the test kit', () => {
  const wrong = sources.filter(
    ({ name, imports }) => !name.startsWith('testing/') && imports.some(target => target.startsWith('testing/')),
  )
  assert.deepEqual(names(wrong), [])
})

test('SQL is in queries.ts and its sisters, and in what runs or counts for all rooms', () => {
  // The database floor itself, and the table of the rate limiter, whose other statements are in its library.
  const exceptions = ['db/', 'web/rate-limit.ts', 'testing/']
  const sql = /\b(?:select\b[\s\S]*\bfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|truncate)\s/i
  const literals = /`[^`]*`|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g
  const wrong = sources.filter(
    ({ name, text }) =>
      !/[/-]queries\.ts$/.test(name) &&
      !exceptions.some(allowed => name.startsWith(allowed)) &&
      [...text.matchAll(literals)].some(([literal]) => sql.test(literal)),
  )
  assert.deepEqual(names(wrong), [])
})

test('a table is written by one room only', () => {
  const writers = new Map<string, Set<string>>()
  for (const { room, text } of sources.filter(({ room }) => room !== 'testing' && room !== 'mock')) {
    for (const [, table] of text.matchAll(
      /\b(?:insert into|update|delete from)\s+([a-z_]+)\b(?=\s+(?:\w+\s+)?(?:\(|set|where|using|select))/g,
    )) {
      writers.set(table!, (writers.get(table!) ?? new Set()).add(room))
    }
  }
  const shared = [...writers]
    .filter(([, who]) => who.size > 1)
    .map(([table, who]) => `${table}: ${[...who].join(', ')}`)
  assert.deepEqual(shared, [])
  assert.ok(writers.size > 8, 'the test finds the tables')
})

test('the environment is read in config.ts', () => {
  // The embedded Postgres is a child process, and inherits what we were given.
  const readers = ['config.ts', 'postgres/embedded.ts']
  const wrong = sources.filter(
    ({ name, text }) => !readers.includes(name) && !/^(testing|mock)\//.test(name) && text.includes('process.env'),
  )
  assert.deepEqual(names(wrong), [])
})

test('credentials are sealed and opened in two files, and shown in clear to the gateway and the cipher only', () => {
  const seals = sources.filter(
    ({ name, text }) => /\bsealer\.(?:seal|open|reseal)\(/.test(text) && !/^(secrets|testing)\//.test(name),
  )
  assert.deepEqual(names(seals).sort(), ['account/key.ts', 'session/tokens.ts'])
  const reveals = sources.filter(
    ({ name, text }) => /\.reveal\(\)/.test(text) && !/^(gateway|secrets|testing)\//.test(name),
  )
  // Our own bearer token, hashed for its row and handed to its client once.
  assert.deepEqual(names(reveals).sort(), ['agents/api.ts', 'agents/sign-in.ts'])
})

test('every package is locked by its hash, for every platform', () => {
  const lock = JSON.parse(readFileSync(path.join(root, '../package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string }>
  }
  const loose = Object.entries(lock.packages).filter(([name, { integrity }]) => name !== '' && !integrity)
  assert.deepEqual(
    loose.map(([name]) => name),
    [],
  )
})

function names(list: readonly Source[]): string[] {
  return list.map(({ name }) => name)
}
