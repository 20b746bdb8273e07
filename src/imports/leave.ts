import { nameUnwanted } from '../library/named-queries.ts'
import type { Leave } from '../work/leave.ts'
import { deleteImportsOf } from './queries.ts'

export const leave: Leave = {
  close: async (tx, userId) => nameUnwanted(tx, await deleteImportsOf(tx, userId)),
}
