import { statfs } from 'node:fs/promises'
import path from 'node:path'
import { listBackups } from '../backups/backup.ts'
import { readBackup } from '../backups/manifest.ts'
import { countParked } from '../backups/parked.ts'
import type { Config } from '../config.ts'
import type { Database } from '../db/db.ts'
import { pendingMigrations } from '../db/migrate.ts'
import { findUnreachable } from '../gateway/reach.ts'
import type { Storage } from '../storage/storage.ts'
import { compareObjects, moveAside } from './objects.ts'

/** One thing that was looked at. `todo`: what to do about it, when it is not well. */
export interface Finding {
  name: string
  ok: boolean
  detail: string
  todo: string | null
}

export interface CheckOptions {
  /** Where the app answers. */
  url: string
  /** Null: nobody has said where backups lie. */
  backups: string | null
  backupHours: number
  /** False: the store is not gone through. */
  objects: boolean
  /** Orphans are moved aside: said only, or done. */
  repair: 'no' | 'dry' | 'yes'
  /** The most that a repair may take, in percent of all objects. */
  atMost: number
  minimumAgeHours: number
}

interface CheckDeps {
  db: Database
  storage: Storage
  config: Readonly<Config>
}

const HOUR_MS = 3_600_000
const ANSWER_MS = 10_000
const LEAST_FREE = 1024 ** 3

/** Looks at an installation from outside and from inside. Nothing is changed unless a repair is asked for. */
export async function check(deps: CheckDeps, options: CheckOptions): Promise<Finding[]> {
  type Look = () => Promise<Omit<Finding, 'name'>[]>
  const looks: Record<string, Look> = {
    health: () => answers(options.url, '/health'),
    ready: () => answers(options.url, '/ready'),
    gateway: () => gateway(deps),
    database: () => schema(deps),
    parked: () => parked(deps),
    backup: () => backupAge(options),
    disk: () => disk(deps.config.dataDirectory),
    store: () => store(deps.storage),
    ...(options.objects && { objects: () => objects(deps, options) }),
  }
  const findings: Finding[] = []
  for (const [name, look] of Object.entries(looks)) {
    try {
      findings.push(...(await look()).map(found => ({ name, ...found })))
    } catch (error) {
      const detail = error instanceof Error ? [error.message, causeOf(error)].filter(Boolean).join(': ') : String(error)
      findings.push({ name, ok: false, detail, todo: 'mend what it says, and look again' })
    }
  }
  return findings
}

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? cause.message : ''
}

const well = (detail: string) => [{ ok: true, detail, todo: null }]
const unwell = (detail: string, todo: string) => [{ ok: false, detail, todo }]

async function answers(url: string, address: string) {
  try {
    const response = await fetch(new URL(address, url), { signal: AbortSignal.timeout(ANSWER_MS) })
    const text = (await response.text()).slice(0, 500)
    if (response.ok) return well(text)
    return unwell(`${response.status} ${text}`, 'see which part failed, and the log of the app for why')
  } catch (error) {
    return unwell(
      `${url} does not answer: ${causeOf(error as Error) || (error as Error).message}`,
      'start the app, or say --url',
    )
  }
}

async function gateway({ config }: CheckDeps) {
  const found = await findUnreachable(config.upstream)
  return found ? unwell(found.detail, found.todo) : well(`${config.upstream} takes connections`)
}

async function schema({ db }: CheckDeps) {
  const pending = await pendingMigrations(db)
  if (pending.length === 0) return well('the schema is up to date')
  return unwell(
    `${pending.length} migrations are missing: ${pending.join(', ')}`,
    'npm run migrate, or start this version of the app',
  )
}

async function parked({ db }: CheckDeps) {
  const { pictures, answers, news } = await countParked(db)
  if (pictures + answers + news === 0) return well('nothing waits for you')
  return unwell(
    `since a restore ${pictures} picture jobs, ${answers} answers and ${news} things that follow stand still`,
    'look at the gateway’s usage, then npm run parked -- --release or --cancel',
  )
}

async function backupAge({ backups, backupHours }: CheckOptions) {
  if (backups === null) return well('not looked at: say --backups FOLDER')
  const newest = (await listBackups(backups)).at(-1)
  const todo = `npm run backup -- ${backups}, and look why the one before did not come about`
  if (!newest) return unwell(`there is no finished backup in ${backups}`, todo)
  const { manifest } = await readBackup(newest)
  const hours = (Date.now() - Date.parse(manifest.madeAt)) / HOUR_MS
  const detail = `${path.basename(newest)} is ${hours.toFixed(1)} hours old`
  return hours <= backupHours ? well(detail) : unwell(detail, todo)
}

async function disk(directory: string) {
  const { bavail, blocks, bsize } = await statfs(directory)
  const free = bavail * bsize
  const percent = Math.floor((bavail / blocks) * 100)
  const detail = `${percent} % of the disk of ${directory} is free`
  return free >= LEAST_FREE && percent >= 5
    ? well(detail)
    : unwell(detail, 'make room, or move PLAYGROUND_DATA_DIR to a larger disk')
}

async function store(storage: Storage) {
  await storage.ready()
  return well('an object was written, read and deleted')
}

async function objects(deps: CheckDeps, options: CheckOptions) {
  const { count, missing, missingThumbnails, orphaned } = await compareObjects(deps, options.minimumAgeHours * HOUR_MS)
  const findings: Omit<Finding, 'name'>[] = []
  if (missing.length > 0) {
    const some = missing.slice(0, 3).join(', ')
    findings.push(
      ...unwell(
        `${missing.length} objects that rows name are missing: ${some}`,
        'bring them back from a backup, by these names',
      ),
    )
  }
  if (missingThumbnails.length > 0) {
    findings.push(
      ...well(
        `${missingThumbnails.length} thumbnails are made when somebody looks at them, or by npm run backfill:library`,
      ),
    )
  }
  if (orphaned.length > 0)
    findings.push(
      ...(await orphans(
        deps,
        options,
        orphaned.map(({ name }) => name),
        count,
      )),
    )
  return findings.length > 0 ? findings : well(`${count} objects, each as a row says`)
}

/** A store that seems to be full of orphans is more likely that of another database. */
async function orphans(
  { storage, config }: CheckDeps,
  { repair, atMost }: CheckOptions,
  names: string[],
  count: number,
) {
  const percent = (names.length / count) * 100
  const detail = `${names.length} objects (${percent.toFixed(1)} %) are named by no row`
  if (repair === 'no') return unwell(detail, 'npm run check:site -- --repair says what would be moved aside')
  if (percent > atMost) {
    const todo = `nothing was moved: more than ${atMost} % is not believed. Is it the database of this store? Or say --at-most`
    return unwell(detail, todo)
  }
  const folder = path.join(config.dataDirectory, 'orphaned', new Date().toISOString().slice(0, 10))
  if (repair === 'dry')
    return unwell(`${detail}; would be moved to ${folder}`, 'npm run check:site -- --repair --apply moves them')
  await moveAside(storage, names, folder)
  return well(`${names.length} objects that no row names were moved to ${folder}`)
}
