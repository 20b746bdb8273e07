import { nameUnwanted } from '../library/named-queries.ts'
import type { Leave } from '../work/leave.ts'
import { countUnended, deleteJobs, listTokensUnfiled, withdrawAll } from './leave-queries.ts'

export const leave: Leave = {
  close: withdrawAll,
  countUnderWay: countUnended,
  async forget(tx, userId) {
    await nameUnwanted(tx, await listTokensUnfiled(tx, userId))
    await deleteJobs(tx, userId)
  },
}
