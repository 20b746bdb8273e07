import type { Gauge } from 'prom-client'
import type { Deps } from '../deps.ts'
import { aborted } from '../stopping.ts'
import type { Leases, Limits } from './leases.ts'

/** The channel on which a row that is put into the queue wakes workers: by a trigger, whoever puts it there. */
export const WAKES = 'work'

/** Why a run was ended from our side: the reason of its abort signal. */
export type Stop = 'cancelled' | 'shutdown'

/** A kind of row that workers claim and run, and how. */
interface Work<Row extends { claim: string }> {
  /** Told on `WAKES` when one waits: which of them runs next is decided by `leases.claim`. */
  kind: string
  leases: Leases<Row>
  limits: Limits
  running?: Gauge
  /** False: nothing is claimed now. */
  isReady?(): Promise<boolean>
  /** Runs a row to its end; what throws is left to the sweep. */
  run(row: Row, run: Run): Promise<void>
  /** Ends a row that another worker left behind; one that throws is tried again, and keeps no other waiting. */
  recover(row: Row): Promise<void>
  /** What else is cleared up with the sweep; `claimsHere` are alive, however late their leases. */
  sweep?(claimsHere: readonly string[]): Promise<void>
  /** What else is looked after, at every tick. */
  tick?(claimsHere: readonly string[]): Promise<void>
}

export interface Run {
  /** Aborted, with a `Stop`, when the run is to end now. */
  signal: AbortSignal
  /** False as soon as the worker is told to stop: what has not been sent yet goes back. */
  mayCall(): boolean
}

export interface Worker<Row> {
  /** Looks at once for claims that are to be stopped, and for rows that wait. */
  lookAfter(): Promise<void>
  isBusy(): boolean
  /** Stops what runs here and matches, without asking the database. */
  cancel(matches: (row: Row) => boolean): void
  /** Takes and sends no more, waits for what runs until `deps.leaving`, then aborts the rest and waits until it has said so. */
  stop(): Promise<void>
}

/**
 * Runs rows in this process, as many at once as the claim allows, and keeps their leases; a tick finds what no message
 * told of.
 */
export async function startWorker<Row extends { claim: string }>(deps: Deps, work: Work<Row>): Promise<Worker<Row>> {
  const { tickSeconds, leaseSeconds, sweepSeconds } = deps.config.worker
  /** By claim: a row that was taken from us and claimed again is another run. */
  const running = new Map<string, { row: Row; stop: AbortController; over: Promise<void> }>()
  const leaseMs = leaseSeconds * 1000
  let stopping = false
  // On a clock that nobody sets: a jump would end the leases of all.
  let extendedAt = performance.now()
  let heardAt = performance.now()
  let sweepAt = performance.now() + sweepSeconds * 1000

  /** The database has answered. After it was away workers find their own leases run out, and need time to say so. */
  function heard(): void {
    const now = performance.now()
    if (now - heardAt > leaseMs / 2) sweepAt = now + leaseMs
    heardAt = now
  }

  const fill = alone(async () => {
    const slots = work.limits.here - running.size
    if (stopping || slots <= 0) return
    const isAnyReady = await work.leases.isAnyReady(deps.db)
    heard()
    if (!isAnyReady || (work.isReady && !(await work.isReady()))) return
    const rows = await work.leases.claim(deps.db, slots, work.limits, leaseSeconds)
    for (const row of rows) run(row)
  })

  function run(row: Row): void {
    const stop = new AbortController()
    // Claimed while the stop came: goes back unsent.
    if (stopping) stop.abort('shutdown' satisfies Stop)
    const over = work
      .run(row, { signal: stop.signal, mayCall: () => !stopping && !stop.signal.aborted })
      .catch(error => deps.log.error({ err: error, work: work.kind, claim: row.claim }, 'left to the sweep'))
      .finally(() => {
        running.delete(row.claim)
        work.running?.set(running.size)
        void fill()
      })
    running.set(row.claim, { row, stop, over })
    work.running?.set(running.size)
  }

  const lookAfter = alone(async () => {
    if (running.size > 0) {
      const cancelled = await work.leases.listCancelled(deps.db, [...running.keys()])
      heard()
      for (const claim of cancelled) running.get(claim)?.stop.abort('cancelled' satisfies Stop)
      if (performance.now() - extendedAt > leaseMs / 4) {
        await work.leases.extend(deps.db, [...running.keys()], leaseSeconds)
        extendedAt = performance.now()
      }
    }
    await fill()
  })

  const tick = alone(async () => {
    if (!stopping) await work.tick?.([...running.keys()])
  })

  const sweep = alone(async () => {
    const now = performance.now()
    if (stopping || now < sweepAt || now - heardAt > leaseMs / 2) return
    sweepAt = now + sweepSeconds * 1000
    const claimsHere = [...running.keys()]
    for (const row of await work.leases.claimAbandoned(deps.db, leaseSeconds)) {
      // Ours after all, slowed down for longer than its lease: it goes on.
      if (!claimsHere.includes(row.claim)) await recover(row)
    }
    await work.sweep?.(claimsHere)
  })

  async function recover(row: Row): Promise<void> {
    try {
      await work.recover(row)
    } catch (error) {
      deps.log.warn({ err: error, work: work.kind, claim: row.claim }, 'what was abandoned could not be ended yet')
    }
  }

  /** The same once at a time; asked for meanwhile, it is done once more. */
  function alone(duty: () => Promise<void>): () => Promise<void> {
    let underWay: Promise<void> | null = null
    let again = false
    return function start(): Promise<void> {
      again = underWay !== null
      underWay ??= duty()
        .catch(error => deps.log.warn({ err: error, work: work.kind }, 'the worker could not do its duty'))
        .then(() => {
          underWay = null
          return again ? start() : undefined
        })
      return underWay
    }
  }

  // Side by side: a sweep may wait long for a slow store, and the leases of what runs here would expire meanwhile.
  const duties = [lookAfter, tick, sweep]
  const timer = setInterval(() => {
    for (const duty of duties) void duty()
  }, tickSeconds * 1000)
  const unheard = deps.listener.on(work.kind, () => void fill())
  void fill()

  return {
    lookAfter,
    isBusy: () => running.size > 0,
    cancel(matches) {
      for (const { row, stop } of running.values()) if (matches(row)) stop.abort('cancelled' satisfies Stop)
    },
    async stop() {
      stopping = true
      const leaving = aborted(deps.leaving)
      await Promise.race([fill(), leaving])
      const over = Promise.all([...running.values()].map(entry => entry.over))
      await Promise.race([over, leaving])
      for (const { stop } of running.values()) stop.abort('shutdown' satisfies Stop)
      await over
      unheard()
      clearInterval(timer)
      for (const duty of duties) await duty()
    },
  }
}
