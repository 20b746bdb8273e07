import type { Deps } from '../deps.ts'
import { discardBytes } from '../library/keep.ts'
import { nameUnwanted } from '../library/named-queries.ts'
import type { Run } from '../work/worker.ts'
import { LARGEST_MANIFEST, MANIFEST, type Manifest, readManifest, UnknownManifest } from './manifest.ts'
import {
  addEntry,
  type ClaimedImport,
  finishImport,
  type Import,
  type ImportEntry,
  importLeases,
  listTaken,
  setTotal,
} from './queries.ts'
import { type Budget, takeEntry } from './take-entry.ts'
import { BadEntry, BadZip, type OpenZip, openZip } from './zip.ts'

const MOST_ENTRIES = 50_000
const MOST_ATTEMPTS = 20
const AGAIN_SECONDS = 30
/** Pictures are compressed by themselves: what unpacks to more than this, of a file that is not small, is made to. */
const MOST_UNPACKED = 3
const SMALL = 64 * 1024 ** 2

type TakeDeps = Pick<Deps, 'db' | 'storage' | 'log' | 'config' | 'at'>

/** Takes a ZIP apart, entry by entry, each with what became of it; goes on where another worker has stopped. */
export async function takeImport(deps: TakeDeps, taken: ClaimedImport, run: Run): Promise<void> {
  let zip: OpenZip | null = null
  try {
    await deps.at?.('claimed', taken.id)
    zip = await openZip(deps, taken.object, taken.bytes)
    if (zip.count > MOST_ENTRIES) return await finish(deps, taken, 'failed', 'too_many')
    const manifest = await findManifest(zip)
    await takeAll(deps, taken, zip, manifest, run)
  } catch (error) {
    const problem = problemOf(error)
    if (problem) return finish(deps, taken, 'failed', zip && problem === 'no_zip' ? 'cut' : problem)
    deps.log.warn({ err: error, import: taken.id }, 'an import could not go on')
    await again(deps, taken)
  } finally {
    zip?.close()
  }
}

/** Goes on with one that another worker left behind. */
export async function again(deps: TakeDeps, taken: ClaimedImport): Promise<void> {
  if (taken.attempts < MOST_ATTEMPTS) await importLeases.requeue(deps.db, taken, AGAIN_SECONDS)
  else await finish(deps, taken, 'failed', 'store')
}

async function takeAll(
  deps: TakeDeps,
  taken: ClaimedImport,
  zip: OpenZip,
  manifest: Manifest | null,
  run: Run,
): Promise<void> {
  const seen = await listTaken(deps.db, taken.id)
  const budget: Budget = { left: Math.max(taken.bytes * MOST_UNPACKED, SMALL), names: new Set() }
  const absent = new Set(manifest?.pictures.keys())
  await setTotal(deps.db, taken, zip.count)
  let last = 0
  for await (const entry of zip.entries()) {
    if (run.signal.aborted) return stopped(deps, taken, run)
    last = entry.number
    if (last > MOST_ENTRIES) return finish(deps, taken, 'failed', 'too_many')
    absent.delete(entry.name)
    const isTaken = seen.has(entry.number)
    const result = await takeEntry(deps, taken, entry, manifest, budget, isTaken)
    if (!result || isTaken) continue
    await deps.at?.('filed', taken.id)
    if (!(await addEntry(deps.db, taken, { number: entry.number, name: shownName(entry.name), ...result }))) return
    await deps.at?.('part', taken.id)
  }
  for (const name of absent) {
    const entry: ImportEntry = {
      number: ++last,
      name: shownName(name),
      outcome: 'refused',
      reason: 'absent',
      pictureId: null,
    }
    if (!seen.has(last) && !(await addEntry(deps.db, taken, entry))) return
  }
  await finish(deps, taken, 'done', null)
}

async function stopped(deps: TakeDeps, taken: ClaimedImport, { signal }: Run): Promise<void> {
  if (signal.reason === 'cancelled') await finish(deps, taken, 'cancelled', null)
  else await importLeases.requeue(deps.db, taken, 0)
}

/** The file that came is of no more use. */
async function finish(
  deps: TakeDeps,
  taken: ClaimedImport,
  state: 'done' | 'failed' | 'cancelled',
  problem: Import['problem'],
): Promise<void> {
  await deps.at?.('ending', taken.id)
  const isOurs = await deps.db.transaction(async tx => {
    if (!(await finishImport(tx, taken, state, problem))) return false
    await nameUnwanted(tx, [taken.object])
    return true
  })
  await deps.at?.('ended', taken.id)
  if (isOurs) await discardBytes(deps, taken.object)
}

/** Null where there is none: then its pictures are uploads. */
async function findManifest(zip: OpenZip): Promise<Manifest | null> {
  for await (const entry of zip.entries()) {
    if (entry.number > MOST_ENTRIES) return null
    if (entry.name !== MANIFEST || !entry.isPlain || entry.isEncrypted || !entry.isReadable) continue
    return readManifest((await entry.read(LARGEST_MANIFEST)).toString())
  }
  return null
}

/** Null where trying again may help: store or database are away, or whatever it is. */
function problemOf(error: unknown): Import['problem'] {
  if (error instanceof UnknownManifest || error instanceof BadEntry) return 'manifest'
  return error instanceof BadZip ? 'no_zip' : null
}

/** As far as it may be kept and shown. */
function shownName(name: string): string {
  return name
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}')
    .slice(0, 300)
    .toWellFormed()
}
