import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { dumpOf, type Manifest } from './manifest.ts'
import { copyStatement } from './queries.ts'

type Table = Pick<Manifest['tables'][number], 'name' | 'columns'>

/** Writes the rows of a table to its file in the backup; answers how many, and the hash of the file. */
export async function dumpTable(
  client: pg.ClientBase,
  folder: string,
  table: Table,
): Promise<{ rows: number; sha256: string }> {
  const rows = client.query(copyTo(copyStatement(table, 'to stdout')))
  const hash = createHash('sha256')
  const hashed = new PassThrough().on('data', chunk => hash.update(chunk))
  const file = createWriteStream(path.join(folder, dumpOf(table.name)), { flags: 'wx', mode: 0o600, flush: true })
  await pipeline(rows, createGzip({ level: 4 }), hashed, file)
  return { rows: rows.rowCount, sha256: hash.digest('hex') }
}

/** Reads the rows of a table back; answers how many. */
export async function loadTable(client: pg.ClientBase, folder: string, table: Table): Promise<number> {
  const rows = client.query(copyFrom(copyStatement(table, 'from stdin')))
  await pipeline(createReadStream(path.join(folder, dumpOf(table.name))), createGunzip(), rows)
  return rows.rowCount
}
