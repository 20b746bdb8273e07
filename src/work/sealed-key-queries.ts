import { z } from 'zod'
import { resealEach } from '../secrets/reseal.ts'
import type { UpkeepDeps } from './upkeep.ts'

const SealedKey = z.object({ id: z.string(), userId: z.number(), keySecret: z.instanceof(Buffer) })
type SealedKey = z.output<typeof SealedKey>

/** The keys in a table's `key_secret` that an older secret sealed, sealed with the first one. Answers how many. */
export function resealKeys(
  { db, sealer, stopping }: UpkeepDeps,
  { table, id, type }: { table: string; id: string; type: 'uuid' | 'bigint' },
  reseal: (row: SealedKey) => Buffer,
): Promise<number> {
  return resealEach(
    (after, limit) =>
      db.many(
        SealedKey,
        `select ${id}::text as id, user_id, key_secret from ${table}
         where substring(key_secret from 2 for 4) = any($1::bytea[]) and ($2::${type} is null or ${id} > $2)
         order by ${table}.${id} limit $3`,
        [sealer.older, after, limit],
      ),
    row =>
      db.run(`update ${table} set key_secret = $3 where ${id} = $1 and key_secret = $2`, [
        row.id,
        row.keySecret,
        reseal(row),
      ]),
    row => row.id,
    stopping,
  )
}
