import type { Deps } from '../deps.ts'
import { inTurn } from '../web/turns.ts'
import { claimsLock } from './claim-queries.ts'
import type { ImageJob } from './job-queries.ts'
import { forgetLine } from './line.ts'
import { listOwnLine, setOwnLine } from './place-queries.ts'

export const moves = ['first', 'sooner', 'later'] as const
export type Move = (typeof moves)[number]

/**
 * Moves a job among those that its person has waiting: nobody else waits longer for it. The ids of all of them, in their new
 * order; what waits no more stays as it is.
 */
export function moveInLine(deps: Pick<Deps, 'db'>, job: ImageJob, move: Move): Promise<string[]> {
  return inTurn(deps.db, claimsLock, job, async tx => {
    const line = await listOwnLine(tx, job.userId)
    const from = line.indexOf(job.id)
    if (from < 0) return line
    const to = { first: 0, sooner: Math.max(0, from - 1), later: from + 1 }[move]
    const moved = line.toSpliced(from, 1).toSpliced(to, 0, job.id)
    await setOwnLine(tx, job.userId, moved)
    return moved
  }).finally(() => forgetLine(deps.db))
}
