import type { Leave } from '../work/leave.ts'
import { deleteSessions, deleteUser, setLeaving } from './leave-queries.ts'

export const leave: Leave = {
  async close(tx, userId) {
    await setLeaving(tx, userId)
    await deleteSessions(tx, userId)
  },
  /** The last of all: what nobody else has deleted goes with it. */
  forget: deleteUser,
}
