import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Name = z.object({ name: z.string() })

/** The tables of the house with the columns that are kept; what is unlogged is forgotten at a crash anyway. */
export function listTables(db: Db): Promise<{ name: string; columns: string[] }[]> {
  return db.many(
    z.object({ name: z.string(), columns: z.array(z.string()) }),
    `select c.relname::text as name, array_agg(a.attname::text order by a.attnum) as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid
     where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relpersistence = 'p'
       and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' group by c.relname order by c.relname`,
  )
}

export function listSequences(db: Db): Promise<{ name: string; value: string }[]> {
  return db.many(
    z.object({ name: z.string(), value: z.string() }),
    `select sequencename::text as name, last_value::text as value from pg_sequences
     where schemaname = 'public' and last_value is not null order by 1`,
  )
}

export async function setSequence(tx: Db, { name, value }: { name: string; value: string }): Promise<void> {
  await tx.run(`select setval(format('public.%I', $1::text)::regclass, $2::bigint)`, [name, value])
}

/** COPY of a table, in text form: `from stdin` or `to stdout`. */
export function copyStatement(
  { name, columns }: { name: string; columns: readonly string[] },
  way: 'from stdin' | 'to stdout',
): string {
  return `copy public.${quoted(name)} (${columns.map(quoted).join(', ')}) ${way}`
}

export async function serverVersion(db: Db): Promise<string> {
  const { version } = await db.one(
    z.object({ version: z.string() }),
    `select current_setting('server_version') as version`,
  )
  return version
}

/** Until the connection ends. False when another backup of this database is being made. */
export async function lockBackups(db: Db): Promise<boolean> {
  const { taken } = await db.one(
    z.object({ taken: z.boolean() }),
    `select pg_try_advisory_lock(hashtext('backups')) as taken`,
  )
  return taken
}

/** How many connections of running processes there are, by their names. */
export async function countConnections(db: Db, application: string): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from pg_stat_activity where datname = current_database()
       and (application_name = $1 or starts_with(application_name, $1 || ' '))`,
    [application],
  )
  return count
}

export async function countRows(db: Db, table: string): Promise<number> {
  return (await db.one(z.object({ count: z.number() }), `select count(*) from public.${quoted(table)}`)).count
}

const ForeignKey = z.object({ table: z.string(), name: z.string(), definition: z.string() })
type ForeignKey = z.output<typeof ForeignKey>

/** Tables refer to each other in circles: the rows come first, what they must keep to afterwards. */
export async function dropForeignKeys(tx: Db): Promise<ForeignKey[]> {
  const keys = await tx.many(
    ForeignKey,
    `select conrelid::regclass::text as table, conname::text as name, pg_get_constraintdef(oid) as definition
     from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`,
  )
  for (const { table, name } of keys) await tx.run(`alter table ${table} drop constraint ${quoted(name)}`)
  return keys
}

/** Throws when a row breaks one. */
export async function addForeignKeys(tx: Db, keys: readonly ForeignKey[]): Promise<void> {
  for (const { table, name, definition } of keys) {
    await tx.run(`alter table ${table} add constraint ${quoted(name)} ${definition}`)
  }
}

/** What triggers keep is in the rows already. */
export async function setTriggers(tx: Db, tables: readonly string[], state: 'enable' | 'disable'): Promise<void> {
  for (const table of tables) await tx.run(`alter table public.${quoted(table)} ${state} trigger user`)
}

/** Takes them for this transaction alone. */
export async function emptyTables(tx: Db, tables: readonly string[]): Promise<void> {
  if (tables.length > 0) await tx.run(`truncate ${tables.map(name => `public.${quoted(name)}`).join(', ')}`)
}

/** Tables of the house in which there is something, the names of the migrations left aside. */
export async function listFilled(db: Db): Promise<string[]> {
  const filled: string[] = []
  for (const { name } of await listTables(db)) {
    if (name === 'migrations') continue
    const row = await db.maybeOne(Name, `select 'x' as name from public.${quoted(name)} limit 1`)
    if (row) filled.push(name)
  }
  return filled
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
