import { nameUnwanted } from '../library/named-queries.ts'
import type { Leave } from '../work/leave.ts'
import { snapshotName } from './archive/keep.ts'
import { countConversations, countUnended, deleteConversations, stopUncalled } from './leave-queries.ts'
import { deleteLines } from './line-queries.ts'

export const leave: Leave = {
  count: countConversations,
  async close(tx, userId) {
    await deleteLines(tx, userId)
    await stopUncalled(tx, userId)
  },
  countUnderWay: countUnended,
  async forget(tx, userId) {
    const keys = await deleteConversations(tx, userId)
    await nameUnwanted(tx, keys.map(snapshotName))
  },
}
