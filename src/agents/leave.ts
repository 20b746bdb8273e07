import type { Leave } from '../work/leave.ts'
import { countKeysGiven, deleteKeys } from './leave-queries.ts'

export const leave: Leave = { count: countKeysGiven, close: deleteKeys }
