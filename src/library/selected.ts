import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { localPath } from '../web/parse.ts'
import { listMatching } from './change-queries.ts'
import { fieldsIn, readFilter } from './filter.ts'
import { matching } from './list-queries.ts'

const several = z
  .union([z.string(), z.array(z.string())])
  .transform(value => [value].flat().flatMap(text => text.split(',')))
  .pipe(z.array(z.guid().toLowerCase()))

/** Which pictures somebody has selected, as the form of the list says it. */
export const Selected = z.object({
  /** Ticked one by one. */
  id: several.optional(),
  /** All that the list at `back` has, as it was then, but for `except`. */
  all: z.literal('on').optional().catch(undefined),
  as_of: z.iso.datetime().optional(),
  except: several.optional(),
  back: z.string().max(5000).default(''),
})

/** Their ids; whether they are this person's is for whoever uses them to ask. */
export async function selectedIds(
  db: Db,
  userId: number,
  selected: z.output<typeof Selected>,
  timeZone: string,
): Promise<string[]> {
  if (!selected.all || !selected.as_of) return selected.id ?? []
  const filter = readFilter(fieldsIn(localPath(selected.back, '/library')))
  const all = await listMatching(db, await matching(db, userId, filter, timeZone), new Date(selected.as_of))
  const except = new Set(selected.except)
  return all.filter(id => !except.has(id))
}
