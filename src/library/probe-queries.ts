import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Probe = z.object({ locale: z.string(), findsChinese: z.boolean(), foldsCase: z.boolean() })

/** What the functions and the index that a library is searched by make of it here. */
export function probeSearch(db: Db): Promise<z.output<typeof Probe>> {
  return db.one(
    Probe,
    `select datcollate as locale,
       search_text('雨中的灯塔') like search_pattern('塔') and search_text('雨中的灯塔') not like search_pattern('猫')
         and cardinality(show_trgm(search_text('塔'))) > 0 as finds_chinese,
       search_text('ÉCLAIR') like search_pattern('éclair') as folds_case
     from pg_database where datname = current_database()`,
  )
}
