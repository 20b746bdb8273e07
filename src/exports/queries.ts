import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import { languages } from '../web/i18n.ts'
import { leases } from '../work/leases.ts'
import type { Sums } from './sums.ts'

const Export = z.object({
  id: z.string(),
  userId: z.number(),
  state: z.enum(['queued', 'running', 'ready', 'failed', 'cancelled']),
  version: z.number(),
  kind: z.enum(['pictures', 'everything']),
  language: z.enum(languages),
  name: z.string(),
  total: z.number(),
  checked: z.number(),
  bytes: z.number(),
  createdAt: z.date(),
  expiresAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
})
export type Export = z.output<typeof Export>

const ClaimedExport = Export.extend({ claim: z.string() })
/** An export that this process makes. */
export type ClaimedExport = z.output<typeof ClaimedExport>

const ExportFile = z.object({
  number: z.number(),
  object: z.string(),
  name: z.string(),
  bytes: z.number(),
  crc32: z.number().nullable(),
  sha256: z.instanceof(Buffer).nullable(),
  isMissing: z.boolean(),
  isPaper: z.boolean(),
  facts: z.record(z.string(), z.unknown()),
})
/** A file of an export. */
export type ExportFile = z.output<typeof ExportFile>

/** Whoever has it is alone in asking for exports of this person: counts stay true. */
export const exportsLock = lockOfPerson('exports', 743_051)

export const exportLeases = leases({ table: 'exports', id: 'id', row: ClaimedExport, lock: 741_051 })

export interface NewExport extends Pick<Export, 'userId' | 'kind' | 'language' | 'name'> {
  submission: string
  files: readonly Pick<ExportFile, 'object' | 'name' | 'bytes' | 'facts'>[]
}

const AT_ONCE = 1000

export async function insertExport(
  tx: Db,
  { userId, submission, kind, language, name, files }: NewExport,
): Promise<Export> {
  const made = await tx.one(
    Export,
    `insert into exports (user_id, submission, kind, language, name, total, bytes) values ($1, $2, $3, $4, $5, $6, $7) returning *`,
    [userId, submission, kind, language, name, files.length, files.reduce((sum, { bytes }) => sum + bytes, 0)],
  )
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = files.slice(at, at + AT_ONCE)
    await tx.run(
      `insert into export_files (export_id, number, object, name, bytes, facts)
       select $1, number, object, name, bytes, facts
       from unnest($2::int[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[]) as file (number, object, name, bytes, facts)`,
      [
        made.id,
        some.map((_, each) => at + each + 1),
        some.map(({ object }) => object),
        some.map(file => file.name),
        some.map(({ bytes }) => bytes),
        some.map(({ facts }) => JSON.stringify(facts)),
      ],
    )
  }
  return made
}

export function findExport(db: Db, userId: number, id: string): Promise<Export | null> {
  return db.maybeOne(Export, `select * from exports where id = $1 and user_id = $2 and ${isKept}`, [id, userId])
}

export function findExportBySubmission(db: Db, userId: number, submission: string): Promise<Export | null> {
  return db.maybeOne(Export, `select * from exports where user_id = $1 and submission = $2`, [userId, submission])
}

const isKept = `(expires_at is null or expires_at > now())`

/** Newest first. */
export function listExports(db: Db, userId: number, limit: number): Promise<Export[]> {
  return db.many(
    Export,
    `select * from exports where user_id = $1 and ${isKept} order by created_at desc, id desc limit $2`,
    [userId, limit],
  )
}

/** In their order. */
export function listFilesOf(db: Db, exportId: string): Promise<ExportFile[]> {
  return db.many(ExportFile, `select * from export_files where export_id = $1 order by number`, [exportId])
}

/** Those whose bytes nobody has read yet, the first ones. */
export function listUnchecked(db: Db, exportId: string, limit: number): Promise<ExportFile[]> {
  return db.many(
    ExportFile,
    `select * from export_files where export_id = $1 and crc32 is null and not is_missing order by number limit $2`,
    [exportId, limit],
  )
}

export interface Checked {
  number: number
  /** Null: the store has it no more. */
  sums: Sums | null
}

/** What was found of some files; false when the claim does not hold any more. */
export async function setChecked(db: Db, made: ClaimedExport, checked: readonly Checked[]): Promise<boolean> {
  return db.transaction(async tx => {
    const held = await tx.run(
      `update exports set checked = checked + $3, version = version + 1 where id = $1 and claim = $2 and state = 'running'`,
      [made.id, made.claim, checked.length],
    )
    if (held === 0) return false
    await tx.run(
      `update export_files f set crc32 = c.crc32, sha256 = c.sha256, bytes = coalesce(c.bytes, 0), is_missing = c.crc32 is null
       from unnest($2::int[], $3::bigint[], $4::bytea[], $5::bigint[]) as c (number, crc32, sha256, bytes)
       where f.export_id = $1 and f.number = c.number`,
      [
        made.id,
        checked.map(({ number }) => number),
        checked.map(({ sums }) => sums?.crc32 ?? null),
        checked.map(({ sums }) => sums?.sha256 ?? null),
        checked.map(({ sums }) => sums?.bytes ?? null),
      ],
    )
    return true
  })
}

/** Behind the files that are there; false when the claim does not hold any more. */
export async function addPaper(
  db: Db,
  made: ClaimedExport,
  paper: Pick<ExportFile, 'object' | 'name'> & Sums,
): Promise<boolean> {
  const added = await db.run(
    `insert into export_files (export_id, number, object, name, bytes, crc32, sha256, facts, is_paper)
     select e.id, (select coalesce(max(number), 0) + 1 from export_files f where f.export_id = e.id), $3, $4, $5, $6, $7, '{}', true
     from exports e where e.id = $1 and e.claim = $2 and e.state = 'running'`,
    [made.id, made.claim, paper.object, paper.name, paper.bytes, paper.crc32, paper.sha256],
  )
  return added === 1
}

const Objects = z.object({ object: z.string() })

/** Answers where they lie in the store. */
export async function deletePapers(tx: Db, made: ClaimedExport): Promise<string[]> {
  const gone = await tx.many(
    Objects,
    `delete from export_files f using exports e
     where f.export_id = $1 and f.is_paper and e.id = f.export_id and e.claim = $2 and e.state = 'running'
     returning f.object`,
    [made.id, made.claim],
  )
  return gone.map(({ object }) => object)
}

/** Where the papers of an export lie in the store. */
export async function listPaperObjects(db: Db, exportId: string): Promise<string[]> {
  const rows = await db.many(Objects, `select object from export_files where export_id = $1 and is_paper`, [exportId])
  return rows.map(({ object }) => object)
}

/** Gone at once, however far they are; answers where their papers lie in the store. */
export async function deleteExportsOf(tx: Db, userId: number): Promise<string[]> {
  const papers = await tx.many(
    Objects,
    `select object from export_files where is_paper and export_id in (select id from exports where user_id = $1)`,
    [userId],
  )
  await tx.run(`delete from exports where user_id = $1`, [userId])
  return papers.map(({ object }) => object)
}

/** How it ended; `hours`: how long it is kept. */
export async function finishExport(
  db: Db,
  made: ClaimedExport,
  state: 'ready' | 'failed' | 'cancelled',
  hours: number,
): Promise<void> {
  await db.run(
    `update exports e set state = $3, version = version + 1, finished_at = now(), lease_until = null,
       expires_at = now() + make_interval(hours => $4),
       bytes = (select coalesce(sum(f.bytes), 0) from export_files f where f.export_id = e.id)
     where id = $1 and claim = $2 and state = 'running'`,
    [made.id, made.claim, state, hours],
  )
}

/** Gone at once, whoever makes it: its claim holds no more. */
export async function deleteExport(db: Db, userId: number, id: string): Promise<boolean> {
  return (await db.run(`delete from exports where id = $1 and user_id = $2`, [id, userId])) === 1
}

export async function countUnfinished(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from exports where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
  return count
}

export function deleteExpiredExports(db: Db): Promise<number> {
  return db.run(`delete from exports where expires_at < now()`)
}

/** What all exports have beside pictures. */
export async function listPapers(db: Db): Promise<string[]> {
  const rows = await db.many(z.object({ object: z.string() }), `select object from export_files where is_paper`)
  return rows.map(({ object }) => object)
}
