import { currentAccount } from '../account/current.ts'
import { obstacleTo } from '../account/obstacle.ts'
import { forgetKeyState } from '../account/queries.ts'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import type { ImageJob } from './job-queries.ts'
import { holdSiblings, listKeyless, takeKeyless } from './keyless-queries.ts'
import { payInstead } from './start.ts'

/** The gateway has refused this key: nothing else is tried with it before it is known to work. */
export async function holdForKey({ db }: Pick<Deps, 'db'>, job: ImageJob): Promise<void> {
  await holdSiblings(db, job)
  await forgetKeyState(db, job.userId, job.keyId)
}

/**
 * What waits for a key goes on with the one that its person has chosen by now, or with its own once the gateway says that
 * it works again. Beside the process that makes pictures, which is gone while none can be made.
 */
export function startKeyWatch(deps: Deps): { stop(): Promise<void> } {
  let looking: Promise<void> | null = null
  const look = () => {
    looking ??= lookForKeys(deps)
      .catch(error => deps.log.warn({ err: error }, 'what waits for a key was not looked at'))
      .finally(() => {
        looking = null
      })
  }
  const timer = setInterval(look, deps.config.worker.tickSeconds * 1000)
  return {
    async stop() {
      clearInterval(timer)
      await looking
    },
  }
}

async function lookForKeys(deps: Deps): Promise<void> {
  for (const who of await listKeyless(deps.db)) {
    try {
      await goOn(deps, who)
    } catch (error) {
      deps.log.warn({ err: error, user: who.userId }, 'pictures still wait for a key')
    }
  }
}

/** Never dearer than was told: that needs a press. */
async function goOn(deps: Deps, who: { userId: number; signInId: string | null }): Promise<void> {
  const account = await currentAccount(deps, who)
  const jobs = await takeKeyless(deps.db, who.userId)
  if (obstacleTo(account, 'pictures')?.blocks) return
  for (const job of jobs) {
    try {
      await payInstead(deps, { userId: who.userId, account }, job, { byHand: false })
    } catch (error) {
      // A budget has no room for it: it is looked at again.
      if (!(error instanceof Refusal)) throw error
    }
  }
}
