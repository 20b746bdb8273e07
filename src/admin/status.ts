import type { Deps } from '../deps.ts'
import { medianWait, tallyJobs } from '../images/admin-queries.ts'
import type { Bulletin } from '../operators/bulletin.ts'
import { listLately } from '../spend/admin-queries.ts'
import { qualityOf } from '../spend/quality.ts'
import type { StatusView } from './view.ts'

const HOURS = 6
const MOST_CALLS = 1000
const GATEWAY_MINUTES = 15
const KEPT_MS = 60_000

type Known = Omit<StatusView, 'maintenance'>

/**
 * How this place does, without anybody's data, made once a minute however many look. Whether the gateway is there is told
 * from what people's calls met: nobody asks it for the sake of this page.
 */
export function openStatus({ db }: Pick<Deps, 'db'>, bulletin: () => Promise<Bulletin>) {
  let known: Promise<Known> | null = null
  let readAt = 0

  async function read(): Promise<Known> {
    const [receipts, { queued }] = await Promise.all([listLately(db, HOURS, MOST_CALLS), tallyJobs(db)])
    const { delivered, failed, p50 } = qualityOf(receipts)
    const since = Date.now() - GATEWAY_MINUTES * 60_000
    const lately = receipts.filter(({ endedAt }) => endedAt && endedAt.getTime() > since)
    const isAway = lately.length > 0 && lately.every(({ reason }) => reason === 'gateway_down')
    return {
      gateway: lately.length === 0 ? 'unknown' : isAway ? 'away' : 'there',
      queued,
      waitSeconds: await medianWait(
        db,
        receipts.map(({ subject }) => subject),
      ),
      pictureSeconds: p50,
      success: delivered + failed > 0 ? delivered / (delivered + failed) : null,
      at: new Date(),
    }
  }

  return async (): Promise<StatusView> => {
    if (!known || Date.now() - readAt > KEPT_MS) {
      readAt = Date.now()
      known = read()
      known.catch(() => {
        known = null
      })
    }
    const { maintenance } = await bulletin()
    return { ...(await known), maintenance }
  }
}
