import type { Deps } from '../deps.ts'
import { GatewayError } from '../gateway/errors.ts'
import type { Told } from '../gateway/told.ts'
import type { Stop } from '../work/worker.ts'
import type { ClaimedJob, Ending } from './claim-queries.ts'

/** What came of a call so far. */
export interface Progress {
  /** Pictures that came whole, and those of them that are in the library or the spill. */
  received: number
  kept: number
  /** Some of them are in the spill. */
  spilled: boolean
  /** Pictures that are in memory only, until somebody takes them. */
  held: Promise<void>[]
  /** The first picture that could not be kept, and why. */
  rejected: { reason: 'bad_image' | 'storage' | 'unfetched'; detail: string } | null
  /** Bytes may be stored that are not in the library. */
  leftovers: boolean
  requestId: string | null
  /** What was said of each, by its position. */
  told: Told[]
}

const ATTEMPTS = 8

/** How a job ends whose reply came to its end. */
export function endingOf(progress: Progress): Ending {
  const { kept, rejected, requestId } = progress
  if (rejected) return { state: kept > 0 ? 'done' : 'failed', charged: 'yes', requestId, ...rejected }
  if (kept > 0) return { state: 'done', charged: 'yes', requestId }
  return { state: 'unknown', reason: 'upstream', charged: 'unknown', requestId }
}

/** How a job ends whose call failed, was cut off, or was stopped by us. */
export function endingAfter(
  deps: Pick<Deps, 'log'>,
  job: ClaimedJob,
  progress: Progress,
  error: unknown,
  signal: AbortSignal,
): Ending {
  const { kept, requestId } = progress
  // All that was asked for is here: what happened afterwards, a cancel included, came too late.
  if (kept >= job.n) return { state: 'done', charged: 'yes', requestId }
  if (!(error instanceof GatewayError)) {
    deps.log.error({ err: error, job: job.id }, 'making a picture failed')
    return { state: 'unknown', reason: 'interrupted', charged: kept > 0 ? 'yes' : 'unknown', requestId }
  }
  const { charged, detail, field, retryAt } = error.facts
  const told = { reason: error.reason, charged, detail, field, retryAt, requestId: error.facts.requestId ?? requestId }
  if (error.reason === 'interrupted') return { ...told, ...stopped(signal.reason as Stop, charged) }
  if (charged === 'unknown') return { state: 'unknown', ...told }
  // One failed picture of n does not lose the others: the job is done, with a reason for what is missing.
  return { state: kept > 0 ? 'done' : 'failed', ...told }
}

/** Our own stop says nothing about the gateway. Cancelled before anything was sent, there is nothing to explain. */
function stopped(stop: Stop, charged: Ending['charged']): Pick<Ending, 'state' | 'reason' | 'detail'> {
  const state = stop === 'cancelled' ? 'cancelled' : 'unknown'
  return { state, reason: charged === 'no' ? null : 'interrupted', detail: null }
}

/**
 * The balance does not cover it, as the gateway says, which costs nothing: it waits for that. Not for ever where the
 * gateway refuses although there is money.
 */
export function awaitsBalance(job: ClaimedJob, progress: Progress, error: unknown, signal: AbortSignal): boolean {
  if (!(error instanceof GatewayError) || error.reason !== 'insufficient_balance' || signal.aborted) return false
  return error.facts.charged === 'no' && progress.received === 0 && job.fromBalance && job.attempts < ATTEMPTS
}

// Those of a group are told of many who may not; in the middle of a batch they are of a key that was changed.
const ofKey: ReadonlySet<string> = new Set(['key_invalid', 'key_expired'])

/** Its key was removed or changed, which costs nothing: it waits for another one. A script is told, and does what it will. */
export function awaitsKey(job: ClaimedJob, progress: Progress, error: unknown, signal: AbortSignal): boolean {
  if (!(error instanceof GatewayError) || signal.aborted || job.sshKeyId !== null) return false
  const isOfKey = ofKey.has(error.reason) || (job.batchId !== null && error.reason === 'group_no_images')
  return isOfKey && error.facts.charged === 'no' && progress.received === 0 && job.attempts < ATTEMPTS
}

/** The gateway makes no more at once with this key. */
export function isCrowded(error: unknown): boolean {
  return error instanceof GatewayError && error.reason === 'concurrency'
}

/** The gateway asks everything of this key to slow down: until then, or, where it does not say, as long as the one job waits. */
export function slowedUntil(error: unknown, notBefore: Date): Date | null {
  if (!(error instanceof GatewayError)) return null
  const { retryAt, status } = error.facts
  return retryAt ?? (status !== undefined && !isCrowded(error) ? notBefore : null)
}

/**
 * When to ask again, or null: only what was proven to have cost nothing, and passes by itself, may run again. When the
 * gateway says, else after 2, 4, 8 … 60 seconds, give or take a quarter so that not all come at once.
 */
export function runAgainAt(job: ClaimedJob, progress: Progress, error: unknown, signal: AbortSignal): Date | null {
  if (!(error instanceof GatewayError) || error.facts.charged !== 'no' || progress.received > 0) return null
  // Shut down before the request had left: the next worker sends it.
  if (error.reason === 'interrupted') return signal.reason === 'shutdown' ? new Date() : null
  const isSpent = job.attempts >= ATTEMPTS && !error.facts.window
  if (!error.facts.mayRetry || isSpent) return null
  const backOff = Math.min(60_000, 1000 * 2 ** job.attempts) * (0.75 + Math.random() / 2)
  return new Date(Math.max(Date.now() + backOff, error.facts.retryAt?.getTime() ?? 0))
}
