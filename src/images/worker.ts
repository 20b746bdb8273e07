import type { Deps } from '../deps.ts'
import type { Stop } from './failures.ts'
import { makePictures } from './make.ts'
import * as queries from './queries.ts'
import { sweepAbandoned } from './sweep.ts'

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
  const { tickSeconds, leaseSeconds, sweepSeconds } = deps.config.worker
  /** By claim: a job that was taken from us and claimed again is another run. */
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
      const limits = { slots, perUser: runningPerUser, total: runningTotal, leaseSeconds }
      for (const job of await queries.claimJobs(deps.db, limits)) run(job)
    } catch (error) {
      deps.log.warn({ err: error }, 'no job could be claimed')
    }
  }

  function run(job: queries.ClaimedJob): void {
    const stop = new AbortController()
    // Claimed while the stop came: goes back unsent.
    if (stopping) stop.abort('shutdown' satisfies Stop)
    const over = makePictures(deps, job, stop.signal)
      .catch(error => deps.log.error({ err: error, job: job.id }, 'a job was left to the sweep'))
      .finally(() => {
        running.delete(job.claim)
        deps.metrics.jobsRunning.set(running.size)
        void wake()
      })
    running.set(job.claim, { job, stop, over })
    deps.metrics.jobsRunning.set(running.size)
  }

  let extendedAt = Date.now()
  async function lookAfter(): Promise<void> {
    if (running.size > 0) {
      const ids = [...running.values()].map(({ job }) => job.id)
      const cancelled = new Set(await queries.listCancelRequested(deps.db, ids))
      for (const { job, stop } of running.values()) if (cancelled.has(job.id)) stop.abort('cancelled' satisfies Stop)
      if (Date.now() - extendedAt > (leaseSeconds * 1000) / 4) {
        await queries.extendLeases(deps.db, [...running.keys()], leaseSeconds)
        extendedAt = Date.now()
      }
    }
    await wake()
  }

  let sweptAt = 0
  async function sweep(): Promise<void> {
    if (stopping || Date.now() - sweptAt < sweepSeconds * 1000) return
    sweptAt = Date.now()
    await sweepAbandoned(deps, leaseSeconds, [...running.keys()])
  }

  // A sweep may wait long for a slow store: beside the other, or the leases of what runs here would expire meanwhile.
  const duties = [lookAfter, sweep].map(alone)
  const timer = setInterval(() => duties.forEach(duty => void duty()), tickSeconds * 1000)

  /** The same work once at a time; whoever asks meanwhile waits for the one under way. */
  function alone(work: () => Promise<void>): () => Promise<void> {
    let underWay: Promise<void> | null = null
    return () =>
      (underWay ??= work()
        .catch(error => deps.log.warn({ err: error }, 'the worker could not look after its jobs'))
        .finally(() => {
          underWay = null
        }))
  }

  await deps.jobs.work('image', { batch: 100, pollSeconds: 2 }, wake)
  void wake()

  return {
    async stop(seconds) {
      stopping = true
      await filling
      const over = Promise.all([...running.values()].map(entry => entry.over))
      const limit = new Promise(resolve => setTimeout(resolve, seconds * 1000).unref())
      await Promise.race([over, limit])
      for (const { stop } of running.values()) stop.abort('shutdown' satisfies Stop)
      await over
      clearInterval(timer)
      await Promise.all(duties.map(duty => duty()))
    },
  }
}
