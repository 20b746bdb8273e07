import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'

const root = import.meta.dirname

/**
 * The rooms: on which others each leans, `session` being who asks, and its doors: the files that others may use. All else
 * in a room is its own affair.
 */
const rooms: Record<string, { on: readonly string[]; offers: string }> = {
  session: {
    on: [],
    offers:
      'admin-queries caller device guard kept-form leave leave-queries mine panel-queries queries session-data store tokens upkeep',
  },
  account: {
    on: ['session'],
    offers:
      'ask-patiently balance choose current edit-previews honours key key-state key-windows keys mine obstacle prices queries requester time-zone upkeep view viewer',
  },
  spend: {
    on: ['session', 'account', 'operators'],
    offers:
      'admin-queries budgets copy copy-queries cover-queries evidence how-long in-doubt judge leave mine pace-queries quality queries receipt receipt-view reservation-queries sentences sum-queries upkeep view',
  },
  operators: { on: ['session'], offers: 'act-queries bulletin bulletin-queries guard leave maintenance mine upkeep' },
  library: {
    on: ['session', 'operators'],
    offers:
      'admin-queries change change-queries data-url derived file-queries filing filter folder-queries formats import-queries intake keep keep-received leave list-queries list-view long-change mine named-queries names object-queries picture-view queries refused relative-queries resized selected send send-copy storage-limit storage-queries unseen upkeep uploads view',
  },
  images: {
    on: ['session', 'account', 'spend', 'library'],
    offers:
      'admin-queries advice claim-queries draft draft-queries edit-terms ended job-queries job-view leave line line-queries masks mine parked-queries prompt prompt-queries quote references ssh-key-queries start start-queries stop-waiting terms unfetched upkeep usual view',
  },
  derive: { on: ['session', 'library', 'images'], offers: '' },
  exports: {
    on: [
      'session',
      'account',
      'operators',
      'spend',
      'library',
      'images',
      'imports',
      'gallery',
      'chat',
      'agents',
      'prompts',
    ],
    offers: 'leave queries upkeep worker',
  },
  prompts: {
    on: ['session', 'account', 'spend', 'library', 'images', 'chat'],
    offers: 'mine news queries suggest upkeep',
  },
  departures: {
    on: ['session', 'operators', 'spend', 'library', 'exports', 'imports', 'images', 'gallery', 'chat', 'agents'],
    offers: 'worker',
  },
  imports: { on: ['session', 'operators', 'library'], offers: 'file leave mine queries upkeep worker' },
  gallery: {
    on: ['session', 'operators', 'library'],
    offers: 'leave long-share mine moderation-queries moved-queries queries upkeep',
  },
  chat: {
    on: ['session', 'account', 'spend', 'library', 'images'],
    offers:
      'admin-queries answer/claim-queries archive/import archive/snapshot conversation-queries leave mine models parked stop-waiting upkeep',
  },
  backups: { on: ['library', 'images', 'chat'], offers: 'backup manifest parked' },
  moving: { on: ['session', 'account', 'library', 'imports', 'gallery', 'chat', 'agents'], offers: '' },
  checks: { on: ['library', 'imports', 'images', 'exports', 'chat', 'backups'], offers: '' },
  agents: {
    on: ['session', 'account', 'spend', 'library', 'images'],
    offers: 'leave mine proof queries ssh-key upkeep',
  },
  palette: { on: ['session', 'account', 'library', 'images', 'prompts', 'chat'], offers: '' },
  upkeep: {
    on: [
      'session',
      'account',
      'operators',
      'spend',
      'library',
      'exports',
      'imports',
      'gallery',
      'images',
      'prompts',
      'chat',
      'agents',
    ],
    offers: '',
  },
  admin: { on: ['session', 'operators', 'spend', 'library', 'images', 'gallery', 'chat'], offers: '' },
  proxy: { on: ['session'], offers: '' },
  ops: { on: [], offers: '' },
}
/** Know no feature; each leans on those before it only. */
const groundFloor = [
  'wire',
  'secrets',
  'db',
  'postgres',
  'storage',
  'models',
  'pixels',
  'gateway',
  'work',
  'web',
  'settings',
]
/** What everybody is given, or is spoken of everywhere. */
const commons = ['config.ts', 'deps.ts', 'log.ts', 'metrics.ts', 'stopping.ts', 'tracing.ts']
/** They put the house together. */
const builders = ['main.ts', 'app.ts', 'house.ts', 'pictures.ts', 'process.ts', 'writable.ts']
/** Beside the house: a foreign gateway, and what tests need. */
const besides = ['mock', 'testing']
/** Written from the templates: it names the types that they show. */
const GENERATED = 'web/views.gen.ts'
/** Who reads a table of another room, until that room offers what they want to know. */
const readers = ['agents reads users']

interface Source {
  name: string
  room: string
  text: string
  imports: string[]
  /** Of them, those that are there when the types are gone. */
  lasting: string[]
}

const sources: Source[] = globSync('**/*.ts', { cwd: root })
  .filter(name => !/\.(?:test|long)\.ts$/.test(name))
  .map(name => {
    const text = readFileSync(path.join(root, name), 'utf8')
    const imports = targets(name, text, /(?:from|import)\s*\(?\s*'(\.[^']+)'/g)
    const types = targets(name, text, /import type [^']*? from '(\.[^']+)'/g)
    return { name, room: roomOf(name), text, imports, lasting: imports.filter(target => !types.includes(target)) }
  })

function targets(name: string, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, target]) => path.posix.join(path.posix.dirname(name), target!))
}

function roomOf(name: string): string {
  return name.includes('/') ? name.split('/')[0]! : name
}

test('every file has its place, and so has everything that it imports', () => {
  const places = [...Object.keys(rooms), ...groundFloor, ...commons, ...builders, ...besides]
  const strange = sources.flatMap(({ name, room, imports }) => [
    ...(places.includes(room) ? [] : [name]),
    ...imports.filter(target => !places.includes(roomOf(target)) && !target.endsWith('.json')),
  ])
  none([...new Set(strange)], 'these need a line in the table of rooms, or a place among the others above')
})

test('nobody but tests imports what puts the house together', () => {
  const wrong = sources.flatMap(({ name, room, imports }) =>
    imports.filter(target => builders.includes(target) && ![...builders, ...besides].includes(room)).map(() => name),
  )
  assert.deepEqual(wrong, [])
})

test('rooms lean only on the rooms below them, by their doors', () => {
  const wrong = crossings().filter(({ name, room, to, target }) => {
    if (!(to in rooms) || builders.includes(room) || name === GENERATED) return false
    return !rooms[room]?.on.includes(to) || !isOffered(to, target)
  })
  none(
    wrong.map(({ name, target }) => `${name} uses ${target}`),
    'the table of rooms has to say that the one leans on the other (`on`), and that this is a door of it (`offers`)',
  )
  const unused = Object.entries(rooms).flatMap(([room, { offers }]) =>
    doorsOf(offers)
      .map(door => `${room}/${door}.ts`)
      .filter(door => !crossings().some(({ target, room: from }) => target === door && !besides.includes(from))),
  )
  none(unused, 'a door that nobody uses is walled up: take it out of `offers`')
})

test('each part of the ground floor leans only on those before it', () => {
  const wrong = crossings().filter(({ name, room, to }) => {
    const at = groundFloor.indexOf(room)
    return at >= 0 && name !== GENERATED && !commons.includes(to) && groundFloor.indexOf(to) >= at
  })
  assert.deepEqual(wrong, [])
})

test('no file waits for itself in a circle', () => {
  const circles: string[][] = []
  const state = new Map<string, 'open' | 'done'>()
  const walk = (name: string, way: readonly string[]): void => {
    if (state.get(name) === 'done') return
    if (state.get(name) === 'open') return void circles.push([...way.slice(way.indexOf(name)), name])
    state.set(name, 'open')
    for (const target of sources.find(source => source.name === name)?.lasting ?? []) walk(target, [...way, name])
    state.set(name, 'done')
  }
  for (const { name } of sources) walk(name, [])
  assert.deepEqual(circles, [])
})

/** Imports of one place from another. */
function crossings() {
  return sources.flatMap(({ name, room, imports }) =>
    imports
      .map(target => ({ name, room, target, to: roomOf(target) }))
      .filter(({ to }) => to !== room && !to.startsWith('.') && !besides.includes(room)),
  )
}

function doorsOf(offers: string): string[] {
  return offers.split(' ').filter(Boolean)
}

function isOffered(room: string, target: string): boolean {
  return doorsOf(rooms[room]!.offers).some(door => target === `${room}/${door}.ts`)
}

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
  // The database floor itself, the claims of every kind of long row, and the table of the rate limiter, whose other
  // statements are in its library.
  const exceptions = ['db/', 'work/leases.ts', 'web/rate-limit.ts', 'testing/']
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

const writes = /\b(?:insert into|update|delete from)\s+([a-z_]+)\b(?=\s+(?:\w+\s+)?(?:\(|set|where|using|select))/g

test('a table is written by one room only', () => {
  const writers = new Map<string, Set<string>>()
  for (const { room, text } of sources.filter(({ room }) => room !== 'testing' && room !== 'mock')) {
    for (const [, table] of text.matchAll(writes)) {
      writers.set(table!, (writers.get(table!) ?? new Set()).add(room))
    }
  }
  const shared = [...writers]
    .filter(([, who]) => who.size > 1)
    .map(([table, who]) => `${table}: ${[...who].join(', ')}`)
  assert.deepEqual(shared, [])
  assert.ok(writers.size > 8, 'the test finds the tables')
})

test('a table is read by the room that writes it, or by those named above', () => {
  const owners = new Map<string, string>()
  const houseSources = sources.filter(({ room }) => !besides.includes(room))
  for (const { room, text } of houseSources) {
    for (const [, table] of text.matchAll(writes)) owners.set(table!, room)
  }
  const found = houseSources.flatMap(({ room, text }) =>
    [...text.matchAll(/\b(?:from|join|using)\s+([a-z_]+)\b/g)]
      .map(([, table]) => table!)
      .filter(table => owners.has(table) && owners.get(table) !== room)
      .map(table => `${room} reads ${table}`),
  )
  assert.deepEqual([...new Set(found)].sort(), [...readers].sort())
})

test('the environment is read where the settings are', () => {
  // The embedded Postgres is a child process, and inherits what we were given.
  const readers = ['config.ts', 'settings/read.ts', 'postgres/embedded.ts']
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

function none(wrong: readonly string[], advice: string): void {
  assert.ok(wrong.length === 0, `${advice}:\n  ${wrong.join('\n  ')}`)
}

function names(list: readonly Source[]): string[] {
  return list.map(({ name }) => name)
}
