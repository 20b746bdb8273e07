import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import { leases } from '../work/leases.ts'
import { type Outcome, outcomes, problems, reasons } from './view.ts'

const Import = z.object({
  id: z.string(),
  userId: z.number(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
  version: z.number(),
  name: z.string(),
  object: z.string(),
  bytes: z.number(),
  total: z.number().nullable(),
  added: z.number(),
  skipped: z.number(),
  refused: z.number(),
  problem: z.enum(problems).nullable(),
  createdAt: z.date(),
  finishedAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  cancelRequestedAt: z.date().nullable(),
})
export type Import = z.output<typeof Import>

const ClaimedImport = Import.extend({ claim: z.string() })
/** An import that this process takes apart. */
export type ClaimedImport = z.output<typeof ClaimedImport>

const ImportEntry = z.object({
  number: z.number(),
  name: z.string(),
  outcome: z.enum(outcomes),
  reason: z.enum(reasons).nullable(),
  pictureId: z.string().nullable(),
})
/** What became of an entry. */
export type ImportEntry = z.output<typeof ImportEntry>

/** Whoever has it is alone in bringing imports of this person: counts stay true. */
export const importsLock = lockOfPerson('imports', 743_062)

export const importLeases = leases({ table: 'imports', id: 'id', row: ClaimedImport, lock: 741_062 })

export function insertImport(
  tx: Db,
  { userId, name, object, bytes }: Pick<Import, 'userId' | 'name' | 'object' | 'bytes'>,
): Promise<Import> {
  return tx.one(Import, `insert into imports (user_id, name, object, bytes) values ($1, $2, $3, $4) returning *`, [
    userId,
    name,
    object,
    bytes,
  ])
}

export function findImport(db: Db, userId: number, id: string): Promise<Import | null> {
  return db.maybeOne(Import, `select * from imports where id = $1 and user_id = $2`, [id, userId])
}

/** Newest first. */
export function listImports(db: Db, userId: number, limit: number): Promise<Import[]> {
  return db.many(Import, `select * from imports where user_id = $1 order by created_at desc, id desc limit $2`, [
    userId,
    limit,
  ])
}

export async function countUnfinished(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from imports where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
  return count
}

/** Those of this outcome, in the order of the file, behind `after`. */
export function listEntries(
  db: Db,
  importId: string,
  outcome: Outcome,
  after: number,
  limit: number,
): Promise<ImportEntry[]> {
  return db.many(
    ImportEntry,
    `select * from import_entries where import_id = $1 and outcome = $2 and number > $3 order by number limit $4`,
    [importId, outcome, after, limit],
  )
}

/** Numbers of the entries that were seen to. */
export async function listTaken(db: Db, importId: string): Promise<Set<number>> {
  const rows = await db.many(
    z.object({ number: z.number() }),
    `select number from import_entries where import_id = $1`,
    [importId],
  )
  return new Set(rows.map(({ number }) => number))
}

export async function setTotal(db: Db, taken: ClaimedImport, total: number): Promise<void> {
  await db.run(`update imports set total = $3, version = version + 1 where id = $1 and claim = $2`, [
    taken.id,
    taken.claim,
    total,
  ])
}

/** False when the claim does not hold any more. */
export async function addEntry(tx: Db, taken: ClaimedImport, entry: ImportEntry): Promise<boolean> {
  const held = await tx.run(
    `update imports set version = version + 1, added = added + ($3 = 'added')::int,
       skipped = skipped + ($3 = 'skipped')::int, refused = refused + ($3 = 'refused')::int
     where id = $1 and claim = $2 and state = 'running'`,
    [taken.id, taken.claim, entry.outcome],
  )
  if (held === 0) return false
  await tx.run(
    `insert into import_entries (import_id, number, name, outcome, reason, picture_id) values ($1, $2, $3, $4, $5, $6)`,
    [taken.id, entry.number, entry.name, entry.outcome, entry.reason, entry.pictureId],
  )
  return true
}

/** False when the claim does not hold any more. */
export async function finishImport(
  tx: Db,
  taken: ClaimedImport,
  state: 'done' | 'failed' | 'cancelled',
  problem: Import['problem'],
): Promise<boolean> {
  const changed = await tx.run(
    `update imports set state = $3, problem = $4, version = version + 1, finished_at = now(), lease_until = null
     where id = $1 and claim = $2 and state = 'running'`,
    [taken.id, taken.claim, state, problem],
  )
  return changed === 1
}

/** One that runs ends as soon as its worker hears of it; what came in stays. Null when it has ended. */
export function cancelImport(tx: Db, userId: number, id: string): Promise<Import | null> {
  return tx.maybeOne(
    Import,
    `update imports set version = version + 1, cancel_requested_at = coalesce(cancel_requested_at, now()),
       finished_at = case state when 'queued' then now() end,
       state = case state when 'queued' then 'cancelled' else state end
     where id = $1 and user_id = $2 and state in ('queued', 'running') returning *`,
    [id, userId],
  )
}

/** One that has ended. */
export async function deleteImport(db: Db, userId: number, id: string): Promise<boolean> {
  const deleted = await db.run(
    `delete from imports where id = $1 and user_id = $2 and state not in ('queued', 'running')`,
    [id, userId],
  )
  return deleted === 1
}

/** Gone at once, however far they are; answers where their files lie in the store. */
export async function deleteImportsOf(tx: Db, userId: number): Promise<string[]> {
  const gone = await tx.many(
    z.object({ object: z.string() }),
    `delete from imports where user_id = $1 returning object`,
    [userId],
  )
  return gone.map(({ object }) => object)
}

export function deleteOldImports(db: Db, days: number): Promise<number> {
  return db.run(`delete from imports where finished_at < now() - make_interval(days => $1)`, [days])
}

/** The ZIPs of all imports. */
export async function listObjects(db: Db): Promise<string[]> {
  return (await db.many(z.object({ object: z.string() }), `select object from imports`)).map(({ object }) => object)
}
