import type { Db } from '../db/db.ts'
import { UTF8_DATABASE } from '../db/migrate.ts'
import { probeSearch } from './probe-queries.ts'

const HOW = `${UTF8_DATABASE} and move the data there with pg_dump`

/**
 * What searching cannot do in this database because of how it was created, and what to do: for the operator, before somebody misses a
 * picture.
 */
export async function searchNotes(db: Db): Promise<string[]> {
  const { locale, findsChinese, foldsCase } = await probeSearch(db)
  return [
    ...(findsChinese ? [] : [`Chinese is not found by searching in this database (locale ${locale}): ${HOW}`]),
    ...(foldsCase ? [] : [`searching tells É from é in this database (locale ${locale}): ${HOW}`]),
  ]
}
