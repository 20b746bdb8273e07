import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import type { Step } from '../work/steps.ts'
import { alice, type Person } from './people.ts'
import { startProcess } from './process.ts'
import { type TestApp, testApp, until } from './server.ts'
import { unzip } from './unzip.ts'
import { zipOf } from './zip.ts'

const PICTURES = 3
/** More than are changed while a page waits, and than are changed at once. */
const MANY = 2600
const quick = { tickSeconds: 0.1, leaseSeconds: 1, sweepSeconds: 0.1, persistSeconds: 10 }

/** Pages only: rows wait for the workers that a test starts. */
export function pagesOnly(): Promise<TestApp> {
  return testApp({ role: 'web', worker: quick })
}

type Kind = 'import' | 'export' | 'change' | 'share' | 'departure'

/** Something long, asked for over HTTP and not begun: what ends it, and what has to be so then. */
interface Long {
  kind: Kind
  steps: readonly Step[]
  begin(app: TestApp): Promise<{ isOver(): Promise<unknown>; check(): Promise<void> }>
}

export const longRows: Record<string, Long> = {
  'an import': { kind: 'import', steps: ['claimed', 'stored', 'filed', 'part', 'ending', 'ended'], begin: beginImport },
  'an export': { kind: 'export', steps: ['claimed', 'part', 'ending'], begin: beginExport },
  'an export of everything': { kind: 'export', steps: ['part', 'stored', 'ending'], begin: beginEverything },
  'a change of thousands': { kind: 'change', steps: ['claimed', 'part'], begin: beginChange },
  'its undoing': { kind: 'change', steps: ['claimed', 'part'], begin: beginUndo },
  'a share of thousands': { kind: 'share', steps: ['claimed', 'part'], begin: beginShare },
  'a departure': { kind: 'departure', steps: ['claimed', 'part', 'ending'], begin: beginDeparture },
}

/** Lets a worker die at `step` of it, another take over, and looks whether all is as if nothing had happened. */
export async function dieAt(app: TestApp, { kind, begin }: Long, step: Step): Promise<void> {
  const { isOver, check } = await begin(app)
  const environment = { TEST_CONFIG: JSON.stringify(app.config), TEST_KIND: kind, TEST_DIES_AT: step }
  const { child } = await startProcess(app, environment, 'doomed-process.ts')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  assert.equal(child.signalCode, 'SIGKILL')
  await finish(app, isOver)
  await check()
  await checkObjects(app)
}

async function finish(app: TestApp, isOver: () => Promise<unknown>): Promise<void> {
  const { running } = await app.another({ role: 'worker' })
  await until('it to be over', async () => {
    // What is tried again waits a while: not here.
    for (const table of ['imports', 'exports', 'library_changes', 'gallery_shares', 'departures']) {
      await app.db.run(`update ${table} set not_before = null where state = 'queued'`)
    }
    return isOver()
  })
  await running.stop()
}

async function zipOfPictures(): Promise<Buffer> {
  const colours = Array.from({ length: PICTURES }, () => ({ r: byte(), g: byte(), b: byte() }))
  const entries = await Promise.all(
    colours.map(async (background, each) => ({
      name: `${each}.png`,
      content: await sharp({ create: { width: 64, height: 64, channels: 3, background } })
        .png()
        .toBuffer(),
    })),
  )
  return zipOf(entries)
}

function byte(): number {
  return Math.floor(Math.random() * 256)
}

async function beginImport(app: TestApp) {
  const owner = await alice(app)
  const { location } = await owner.upload('/imports', [['pictures.zip', await zipOfPictures()]])
  const id = location.slice('/imports/'.length)
  return {
    isOver: () => some(app, `select from imports where id = $1 and state = 'done'`, id),
    async check() {
      assert.equal((await pictures(app, owner)).length, PICTURES)
      const entries = await some(app, `select number, outcome from import_entries where import_id = $1 order by 1`, id)
      assert.equal(entries?.length, PICTURES)
      assert.equal((await owner.get('/library?kind=all')).html.querySelectorAll('.cell').length, PICTURES)
    },
  }
}

/** Somebody with pictures. */
async function collector(app: TestApp): Promise<Person> {
  const owner = await alice(app)
  const { location } = await owner.upload('/imports', [['pictures.zip', await zipOfPictures()]])
  const id = location.slice('/imports/'.length)
  await finish(app, () => some(app, `select from imports where id = $1 and state = 'done'`, id))
  return owner
}

async function beginExport(app: TestApp) {
  const owner = await collector(app)
  await owner.post('/exports', { all: 'on', as_of: new Date().toISOString(), back: '/library?kind=all' })
  return exportOf(app, owner)
}

async function beginEverything(app: TestApp) {
  const owner = await collector(app)
  await owner.post('/exports/everything', { as_of: new Date().toISOString() })
  return exportOf(app, owner)
}

function exportOf(app: TestApp, owner: Person) {
  const state = `select e.id from exports e join users u on u.id = user_id where email = $1 and state = 'ready'`
  return {
    isOver: () => some(app, state, owner.email),
    async check() {
      const [made] = (await some(app, state, owner.email)) as { id: string }[]
      const files = await unzip((await owner.get(`/exports/${made!.id}/file`)).body)
      for (const { token } of await pictures(app, owner)) {
        const { body } = await owner.get(`/files/${token}`)
        assert.equal([...files.values()].filter(file => file.equals(body)).length, 1)
      }
    },
  }
}

async function beginChange(app: TestApp) {
  const owner = await hoarder(app)
  const { location } = await owner.post('/library/selection', everything({ act: 'tag', tags: 'Many' }))
  const id = changeIn(app, location)
  return {
    isOver: () => some(app, `select from library_changes where id = $1 and state = 'done'`, id),
    check: async () => assert.deepEqual(await countOf(app, owner), { tagged: MANY, kept: MANY }),
  }
}

async function beginUndo(app: TestApp) {
  const owner = await hoarder(app)
  const { location } = await owner.post('/library/selection', everything({ act: 'delete' }))
  const id = changeIn(app, location)
  await finish(app, () => some(app, `select from library_changes where id = $1 and state = 'done'`, id))
  assert.deepEqual(await countOf(app, owner), { tagged: 0, kept: 0 })
  await owner.post(`/library/changes/${id}/undo`)
  return {
    isOver: () => some(app, `select from library_changes where id = $1 and state = 'undone'`, id),
    check: async () => assert.deepEqual(await countOf(app, owner), { tagged: 0, kept: MANY }),
  }
}

async function beginShare(app: TestApp) {
  const owner = await hoarder(app)
  await app.db.run(`update files set format = 'png'`)
  const { location } = await owner.post('/gallery/share/selection', everything({}))
  await owner.post(location, { where: 'gallery', name: 'Alice' })
  const theirs = `user_id = (select id from users where email = $1)`
  return {
    isOver: () => some(app, `select from gallery_shares where ${theirs} and state = 'done'`, owner.email),
    async check() {
      assert.equal((await some(app, `select from exhibits where ${theirs}`, owner.email))?.length, MANY)
      assert.ok(await some(app, `select from gallery_shares where ${theirs} and left_out = 0`, owner.email))
    },
  }
}

async function beginDeparture(app: TestApp) {
  const owner = await collector(app)
  const tokens = (await pictures(app, owner)).map(({ token }) => token)
  await owner.post('/account/delete', { email: owner.email })
  return {
    async isOver() {
      return (
        !(await some(app, `select from users where email = $1`, owner.email)) &&
        !(await some(app, `select from departures`))
      )
    },
    async check() {
      const stored = await objects(app)
      assert.deepEqual(
        tokens.filter(token => stored.includes(token)),
        [],
      )
    },
  }
}

/** Somebody with more pictures than are changed at once; no bytes, only what is known of them. */
export async function hoarder(app: TestApp, count = MANY): Promise<Person> {
  const owner = await alice(app)
  await app.db.run(
    `with file as (insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select md5(email || i), id, sha256((email || i)::bytea), 1, 'bin', 64, 64, false, '#000000'
       from users, generate_series(1, $2) i where email = $1 returning token, user_id)
     insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, 'm', 'a heron', '', 'q', 64, 64, 1 from file`,
    [owner.email, count],
  )
  return owner
}

export function everything(act: Record<string, string>): Record<string, string> {
  return { all: 'on', as_of: new Date().toISOString(), back: '/library', ...act }
}

export function changeIn(app: TestApp, location: string): string {
  return new URL(location, app.url).searchParams.get('undo')!
}

export async function countOf(app: TestApp, { email }: Person) {
  const { rows } = await app.db.pool.query<{ tagged: number; kept: number }>(
    `select count(*) filter (where tags @> array['many'])::int as tagged, count(*) filter (where deleted_at is null)::int as kept
     from pictures where user_id = (select id from users where email = $1)`,
    [email],
  )
  return rows[0]
}

async function pictures(app: TestApp, { email }: Person): Promise<{ token: string }[]> {
  const mine = `select token from pictures where user_id = (select id from users where email = $1)`
  const { rows } = await app.db.pool.query<{ token: string }>(mine, [email])
  return rows
}

async function some(app: TestApp, sql: string, ...values: unknown[]): Promise<object[] | null> {
  const { rows } = await app.db.pool.query<object>(sql, values)
  return rows.length > 0 ? rows : null
}

async function objects(app: TestApp): Promise<string[]> {
  const folder = path.join(app.config.dataDirectory, 'assets')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  // What begins with a dot was being written when the process died; housekeeping takes it away.
  return entries.filter(entry => entry.isFile() && !entry.name.startsWith('.')).map(entry => entry.name)
}

/** Every object of the store is used, or named so that the next purge finds it. */
async function checkObjects(app: TestApp): Promise<void> {
  const { rows } = await app.db.pool.query<{ name: string }>(
    `select token as name from named_files union select object from export_files union select object from imports
     union select token || suffix from files, unnest(array['', '.thumb', '.screen', '.original']) as suffix`,
  )
  const known = new Set(rows.map(({ name }) => name))
  const strange = (await objects(app)).filter(name => !known.has(name) && !known.has(name.replace(/\.[a-z]+$/, '')))
  assert.deepEqual(strange, [])
}
