import { once, setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from './log.ts'

/** What to undo, what was begun last first. */
type Undo = () => Promise<void>

/** How a stop spends its seconds: most of them waiting for what is under way, the last ones putting it where it is safe. */
export interface StopPlan {
  /** Aborted as soon as it begins. */
  stopping: AbortSignal
  /** Aborted when nothing is waited for any more. */
  leaving: AbortSignal
  begin(): void
  /** Until the process should be gone, in ms; never less than it takes to close a socket. */
  left(): number
  end(): void
}

const LEAST_MS = 3_000
const LAST_MS = 5_000
const PART_MS = 500

export function planStop(seconds: number): StopPlan {
  const total = Math.max(seconds * 1000, LEAST_MS)
  const waiting = Math.min(seconds * 1000, total - Math.min(LAST_MS, total / 3))
  const [told, controller] = [new AbortController(), new AbortController()]
  setMaxListeners(0, controller.signal)
  let timer: NodeJS.Timeout | undefined
  let deadline = Number.POSITIVE_INFINITY
  return {
    stopping: told.signal,
    leaving: controller.signal,
    begin() {
      told.abort()
      deadline = performance.now() + total
      timer = setTimeout(() => controller.abort(), waiting)
    },
    left: () => Math.max(PART_MS, deadline - performance.now()),
    end: () => clearTimeout(timer),
  }
}

/** Last first, each whatever becomes of the others: Postgres, if it is ours, must not outlive us. */
export async function stopAll(stops: readonly Undo[], plan: StopPlan, log: Logger): Promise<void> {
  const failures: unknown[] = []
  plan.begin()
  for (const undo of stops.toReversed()) {
    try {
      await within(plan.left(), undo())
    } catch (error) {
      failures.push(error)
      log.error({ err: error }, 'a part could not be stopped')
    }
  }
  plan.end()
  if (failures.length > 0) throw new AggregateError(failures, 'not everything could be stopped')
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  const over = new AbortController()
  const late = delay(ms, undefined, { signal: over.signal }).then(() => {
    throw new Error('it did not stop in time')
  })
  try {
    await Promise.race([work, late])
  } finally {
    over.abort()
    late.catch(() => undefined)
  }
}

/** Resolves when `signal` is aborted; rejects when `never` is first. */
export async function aborted(signal: AbortSignal, never?: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort', never ? { signal: never } : {})
}
