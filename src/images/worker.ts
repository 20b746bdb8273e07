import type { Deps } from '../deps.ts'
import { makePictures, type Stop } from './make.ts'
import * as queries from './queries.ts'
import { sweepAbandoned } from './sweep.ts'

const TICK_MS = 1_000
const LEASE_SECONDS = 45
const EXTEND_EVERY_MS = 10_000
const SWEEP_EVERY_MS = 15_000

export interface ImageWorker {
  /** Takes no more work, waits `seconds` for what runs, then leaves the rest as `unknown`. */
  stop(seconds: number): Promise<void>
}

/**
 * Makes pictures in this process, as many at once as the limits allow. A queue message is only a wake-up: which job
 * runs next is decided by the claim, and a tick finds what no message told of.
 */
export async function startImageWorker(deps: Deps): Promise<ImageWorker> {
  const { runningHere, runningPerUser, runningTotal } = deps.config.limits
  const running = new Map<string, { job: queries.ClaimedJob; stop: AbortController; over: Promise<void> }>()
  let stopping = false
  let filling: Promise<void> | null = null
  let wokenAgain = false

  /** Several wake-ups during one round of claims make one more round. */
  function wake(): Promise<void> {
    if (filling !== null) wokenAgain = true
    filling ??= fill().finally(() => {
      filling = null
      if (wokenAgain) {
        wokenAgain = false
        void wake()
      }
    })
    return filling
  }

  async function fill(): Promise<void> {
    const slots = runningHere - running.size
    if (stopping || slots <= 0) return
    try {
      const limits = { slots, perUser: runningPerUser, total: runningTotal, leaseSeconds: LEASE_SECONDS }
      for (const job of await queries.claimJobs(deps.db, limits)) run(job)
    } catch (error) {
      deps.log.warn({ err: error }, 'no job could be claimed')
    }
  }

  function run(job: queries.ClaimedJob): void {
    const stop = new AbortController()
    const over = makePictures(deps, job, stop.signal)
      .catch(error => deps.log.error({ err: error, job: job.id }, 'a job was left to the sweep'))
      .finally(() => {
        running.delete(job.id)
        deps.metrics.jobsRunning.set(running.size)
        void wake()
      })
    running.set(job.id, { job, stop, over })
    deps.metrics.jobsRunning.set(running.size)
  }

  let extendedAt = Date.now()
  let sweptAt = 0
  async function tick(): Promise<void> {
    if (running.size > 0) {
      for (const id of await queries.listCancelRequested(deps.db, [...running.keys()])) abort(id, 'cancelled')
      if (Date.now() - extendedAt > EXTEND_EVERY_MS) {
        extendedAt = Date.now()
        const claims = [...running.values()].map(({ job }) => job.claim)
        await queries.extendLeases(deps.db, claims, LEASE_SECONDS)
      }
    }
    if (!stopping && Date.now() - sweptAt > SWEEP_EVERY_MS) {
      sweptAt = Date.now()
      await sweepAbandoned(deps, LEASE_SECONDS, [...running.keys()])
    }
    await wake()
  }

  function abort(jobId: string, reason: Stop): void {
    running.get(jobId)?.stop.abort(reason)
  }

  let ticking: Promise<void> | null = null
  const timer = setInterval(() => {
    ticking ??= tick()
      .catch(error => deps.log.warn({ err: error }, 'the worker could not look after its jobs'))
      .finally(() => {
        ticking = null
      })
  }, TICK_MS)

  await deps.jobs.work('image', { batch: 100, pollSeconds: 2 }, wake)
  void wake()

  return {
    async stop(seconds) {
      stopping = true
      await filling
      const over = Promise.all([...running.values()].map(entry => entry.over))
      const limit = new Promise(resolve => setTimeout(resolve, seconds * 1000).unref())
      await Promise.race([over, limit])
      for (const id of running.keys()) abort(id, 'shutdown')
      await Promise.all([...running.values()].map(entry => entry.over))
      clearInterval(timer)
      await ticking
    },
  }
}
