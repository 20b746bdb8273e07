import { countFailedReplies, listReplyLines, listStuckReplies, tallyReplies } from '../chat/admin-queries.ts'
import type { Deps } from '../deps.ts'
import { countFailedJobs, type Line, listJobLines, listStuckJobs, tallyJobs } from '../images/admin-queries.ts'
import { emailsOf } from '../session/admin-queries.ts'
import type { QueueView } from './view.ts'

const PEOPLE_SHOWN = 50
const STUCK_SHOWN = 100

/** What waits, what does not go on, and what failed in the last `hours`. */
export async function viewQueue({ db, config }: Pick<Deps, 'db' | 'config'>, hours: number): Promise<QueueView> {
  const { leaseSeconds } = config.worker
  const [pictures, answers, jobLines, replyLines, stuckJobs, stuckReplies, jobs, replies] = await Promise.all([
    tallyJobs(db),
    tallyReplies(db),
    listJobLines(db, PEOPLE_SHOWN),
    listReplyLines(db, PEOPLE_SHOWN),
    listStuckJobs(db, leaseSeconds, STUCK_SHOWN),
    listStuckReplies(db, leaseSeconds, STUCK_SHOWN),
    countFailedJobs(db, hours),
    countFailedReplies(db, hours),
  ])
  const lines = joined([...jobLines, ...replyLines])
  const stuck = [
    ...stuckJobs.map(each => ({ ...each, kind: 'picture' as const })),
    ...stuckReplies.map(each => ({ ...each, kind: 'answer' as const })),
  ]
  const emails = await emailsOf(
    db,
    [...lines, ...stuck].map(({ userId }) => userId),
  )
  const named = <T extends { userId: number }>(row: T) => ({ ...row, email: emails.get(row.userId) ?? null })
  return {
    hours,
    pictures,
    answers,
    lines: lines.map(named),
    stuck: stuck.map(named),
    failures: [
      ...jobs.map(each => ({ ...each, kind: 'picture' as const })),
      ...replies.map(each => ({ ...each, kind: 'answer' as const })),
    ],
  }
}

/** Pictures and answers of one person in one line. */
export function joined(lines: readonly Line[]): Line[] {
  return [...Map.groupBy(lines, ({ userId }) => userId)]
    .map(([userId, some]) => ({
      userId,
      queued: some.reduce((sum, { queued }) => sum + queued, 0),
      running: some.reduce((sum, { running }) => sum + running, 0),
      oldest: new Date(Math.min(...some.map(({ oldest }) => oldest.getTime()))),
    }))
    .toSorted((a, b) => b.queued + b.running - (a.queued + a.running))
}
