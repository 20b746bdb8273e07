import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Gauge } from 'prom-client'
import { DatabaseUnavailable, isValueRefused } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { StorageError } from '../storage/storage.ts'
import type { QueueName } from './queues.ts'

const LAST_TRY_MS = 500

/** Why a run was ended from our side: the reason of its abort signal. */
export type Stop = 'cancelled' | 'shutdown'

/** A kind of row that workers claim and run, and how. */
interface Work<Row extends { claim: string }> {
  /** A message here is a wake-up only: which row runs next is decided by `claim`. */
  queue: QueueName
  /** Rows run at once in this process. */
  slots: number
  running: Gauge
  claim(slots: number): Promise<Row[]>
  /** Runs a row to its end; what throws is left to the sweep. */
  run(row: Row, run: Run): Promise<void>
  /** Which of these claims somebody wants stopped. */
  listCancelled(claims: readonly string[]): Promise<string[]>
  extendLeases(claims: readonly string[]): Promise<void>
  /** Ends what other workers left behind; `claimsHere` are alive, however late their leases. */
  sweep(claimsHere: readonly string[]): Promise<void>
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
    const slots = work.slots - running.size
    if (stopping || slots <= 0) return
    const rows = await work.claim(slots)
    heard()
    for (const row of rows) run(row)
  })

  function run(row: Row): void {
    const stop = new AbortController()
    // Claimed while the stop came: goes back unsent.
    if (stopping) stop.abort('shutdown' satisfies Stop)
    const over = work
      .run(row, { signal: stop.signal, mayCall: () => !stopping && !stop.signal.aborted })
      .catch(error => deps.log.error({ err: error, queue: work.queue, claim: row.claim }, 'left to the sweep'))
      .finally(() => {
        running.delete(row.claim)
        work.running.set(running.size)
        void fill()
      })
    running.set(row.claim, { row, stop, over })
    work.running.set(running.size)
  }

  const lookAfter = alone(async () => {
    if (running.size > 0) {
      const cancelled = await work.listCancelled([...running.keys()])
      heard()
      for (const claim of cancelled) running.get(claim)?.stop.abort('cancelled' satisfies Stop)
      if (performance.now() - extendedAt > leaseMs / 4) {
        await work.extendLeases([...running.keys()])
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
    await work.sweep([...running.keys()])
  })

  /** The same once at a time; asked for meanwhile, it is done once more. */
  function alone(duty: () => Promise<void>): () => Promise<void> {
    let underWay: Promise<void> | null = null
    let again = false
    return function start(): Promise<void> {
      again = underWay !== null
      underWay ??= duty()
        .catch(error => deps.log.warn({ err: error, queue: work.queue }, 'the worker could not do its duty'))
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
  await deps.jobs.work(work.queue, { batch: 100, pollSeconds: 2 }, fill)
  void fill()

  return {
    lookAfter,
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
      clearInterval(timer)
      for (const duty of duties) await duty()
    },
  }
}

/** A stop did not wait for it any longer. */
export class Left extends Error {
  override readonly name = 'Left'
}

/** Store or database are away, or too slow for a process that has to end. */
export function isOutage(error: unknown): error is StorageError | DatabaseUnavailable | Left {
  return error instanceof StorageError || error instanceof DatabaseUnavailable || error instanceof Left
}

/** `work`, unless it still hangs a moment after the process should be gone: then it throws `Left`. */
export async function beforeLeaving<T>(deps: Pick<Deps, 'leaving'>, work: Promise<T>): Promise<T> {
  const over = new AbortController()
  const left = aborted(deps.leaving, over.signal)
    .then(() => delay(LAST_TRY_MS, undefined, { signal: over.signal }))
    .then(() => {
      throw new Left('the process is about to end')
    })
  try {
    return await Promise.race([work, left])
  } finally {
    over.abort()
    left.catch(() => undefined)
  }
}

async function aborted(signal: AbortSignal, never?: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort', never ? { signal: never } : {})
}

/**
 * Writes how paid work ended. Where the database refuses a value of it, `bare` is written instead: whatever is lost of the
 * details, no row stays unfinished, nor its call forgotten.
 */
export async function persistEnding<Ending, T>(
  deps: Pick<Deps, 'config' | 'leaving' | 'log'>,
  whole: Ending,
  bare: Ending,
  write: (ending: Ending) => Promise<T>,
): Promise<T> {
  try {
    return await persist(deps, () => write(whole))
  } catch (error) {
    if (!isValueRefused(error)) throw error
    deps.log.error({ err: error }, 'an ending is written without its details')
    return persist(deps, () => write(bare))
  }
}

/**
 * What has been paid for is not lost to a restart of the database or a hiccup of the store: tries for as long as
 * `persistSeconds`, or until a stop waits no more, then throws what was last in the way.
 */
export async function persist<T>(deps: Pick<Deps, 'config' | 'leaving'>, work: () => Promise<T>): Promise<T> {
  const giveUp = performance.now() + deps.config.worker.persistSeconds * 1000
  for (let wait = 250; ; wait = Math.min(wait * 2, 5_000)) {
    try {
      return await beforeLeaving(deps, work())
    } catch (error) {
      const isPassing = error instanceof DatabaseUnavailable || error instanceof StorageError
      if (!isPassing || deps.leaving.aborted || performance.now() + wait > giveUp) throw error
      // Woken by a stop it tries a last time.
      await delay(wait, undefined, { signal: deps.leaving }).catch(() => undefined)
    }
  }
}
