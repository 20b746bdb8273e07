import type { Deps } from '../deps.ts'
import { deleteNews, type News, newsLeases, type Topic } from './news-queries.ts'
import { persist } from './persist.ts'
import { type Run, startWorker, type Worker } from './worker.ts'

const LIMITS = { here: 16, perUser: 4 }
const LONGEST_WAIT_SECONDS = 600

/** What is done about news of each topic; safe to repeat, as it is when a worker dies over it. What throws is tried again. */
export type Readers = Record<Topic, (news: Pick<News, 'userId' | 'subject'>, run: Run) => Promise<void>>

/** Acts on news in this process. */
export function startNews(deps: Deps, readers: Readers): Promise<Worker<News>> {
  return startWorker(deps, {
    kind: 'news',
    leases: newsLeases,
    limits: LIMITS,
    async run(news, run) {
      try {
        await deps.at?.('heard', news.subject)
        await readers[news.topic](news, run)
        await persist(deps, () => deleteNews(deps.db, news))
      } catch (error) {
        const isStopped = run.signal.aborted
        if (!isStopped) deps.log.warn({ err: error, ...news }, 'what has to follow failed, and is tried again')
        const wait = isStopped ? 0 : Math.min(2 ** news.attempts, LONGEST_WAIT_SECONDS)
        await persist(deps, () => newsLeases.requeue(deps.db, news, wait))
      }
    },
    recover: news => newsLeases.requeue(deps.db, news, 0),
  })
}
