import type { Leave } from '../work/leave.ts'
import { countShown, deleteExhibitor, withdrawAll } from './leave-queries.ts'

export const leave: Leave = { count: countShown, close: withdrawAll, forget: deleteExhibitor }
