import type { Leave } from '../work/leave.ts'
import { anonymise, countCalling } from './leave-queries.ts'

export const leave: Leave = { countUnderWay: countCalling, forget: anonymise }
