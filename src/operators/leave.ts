import type { Leave } from '../work/leave.ts'
import { forgetActs } from './act-queries.ts'

export const leave: Leave = { forget: forgetActs }
