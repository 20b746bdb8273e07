import { nameUnwanted } from '../library/named-queries.ts'
import type { Leave } from '../work/leave.ts'
import { deleteExportsOf } from './queries.ts'

export const leave: Leave = {
  // Whoever makes one finds that its claim holds no more.
  close: async (tx, userId) => nameUnwanted(tx, await deleteExportsOf(tx, userId)),
}
