import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Named = z.object({ token: z.string() })

/** Before any bytes are stored under it: or nobody would find them if we went away before they are filed. */
export async function insertNamed(db: Db, token: string): Promise<void> {
  await db.run(`insert into named_files (token) values ($1) on conflict do nothing`, [token])
}

/** The same of many. */
export async function insertAllNamed(db: Db, names: readonly string[]): Promise<void> {
  await db.run(`insert into named_files (token) select unnest($1::text[]) on conflict do nothing`, [names])
}

/** Names of objects that nobody wants any more, of pictures and of others: they are deleted when orphans are, until that succeeds. */
export async function nameUnwanted(tx: Db, names: readonly string[]): Promise<void> {
  await tx.run(
    `insert into named_files (token, named_at) select name, to_timestamp(0) from unnest($1::text[]) as name
     on conflict (token) do update set named_at = excluded.named_at`,
    [names],
  )
}

/** So that they are no orphans before a day and an hour have gone by from now. */
export async function keepNamed(db: Db, names: readonly string[]): Promise<void> {
  await db.run(`update named_files set named_at = now() + interval '1 hour' where token = any($1)`, [names])
}

/** They are filed, or deleted. False when they were taken for an orphan meanwhile. */
export async function deleteNamed(db: Db, token: string): Promise<boolean> {
  return (await db.run(`delete from named_files where token = $1`, [token])) === 1
}

/** Of many; those that were taken for orphans meanwhile are not among the answer. */
export async function deleteAllNamed(db: Db, names: readonly string[]): Promise<Set<string>> {
  const rows = await db.many(Named, `delete from named_files where token = any($1) returning token`, [names])
  return new Set(rows.map(({ token }) => token))
}

// Longer than any upload is under way.
const orphan = `named_at < now() - interval '1 day'`

export async function listOrphans(db: Db, after: string, limit: number): Promise<string[]> {
  const rows = await db.many(
    Named,
    `select token from named_files where ${orphan} and token > $1 order by token limit $2`,
    [after, limit],
  )
  return rows.map(({ token }) => token)
}

export async function deleteOrphan(db: Db, token: string): Promise<boolean> {
  return (await db.run(`delete from named_files where token = $1 and ${orphan}`, [token])) === 1
}

/** Empties the trash of what was deleted more than `days` ago; the files are left to `deleteUnusedFile`. */
export function deleteTrashed(db: Db, days: number): Promise<number> {
  return db.run(`delete from pictures where deleted_at < now() - make_interval(days => $1)`, [days])
}

// A new file is used only a moment later: a day is more than any job takes to file what it made.
const unused = `f.created_at < now() - interval '1 day' and not exists (select from pictures p where p.token = f.token)`

/** In the order of their tokens, behind `after`. */
export async function listUnusedFiles(db: Db, after: string, limit: number): Promise<string[]> {
  const rows = await db.many(
    Named,
    `select f.token from files f where ${unused} and f.token > $1 order by f.token limit $2`,
    [after, limit],
  )
  return rows.map(({ token }) => token)
}

/** False when it is in use after all. */
export async function deleteUnusedFile(db: Db, token: string): Promise<boolean> {
  return (await db.run(`delete from files f where f.token = $1 and ${unused}`, [token])) === 1
}
