import type { Leave } from '../work/leave.ts'
import { countShown, deleteExhibitor } from './leave-queries.ts'
import { withdrawAll } from './long-share-queries.ts'

export const leave: Leave = { count: countShown, close: withdrawAll, forget: deleteExhibitor }
