import { setTimeout as delay } from 'node:timers/promises'
import type { Response } from 'express'
import type { Db } from '../db/db.ts'
import type { Lock } from '../db/locks.ts'
import { Refusal } from './errors.ts'

/** Who wants the turn. */
interface Claimant {
  userId: number
  /** Aborted when nobody is there any more to hear the answer. */
  gone?: AbortSignal | undefined
}

const WAIT_MS = 2_000
/** Between two looks whether another process has let go. */
const LOOK_MS = 40
const RETRY_SECONDS = 1

/** Those of this process who wait for a lock that one of them has, by lock and person. */
const lines = new Map<string, (() => void)[]>()

/**
 * Runs `work` in a transaction, one at a time for this lock and person. Who waits holds no connection, so that all that
 * one person sends at once leaves room for the others. Throws `Refusal` 503 after two seconds; and commits nothing of
 * what nobody waits for any more.
 */
export async function inTurn<T>(
  db: Db,
  lock: Lock,
  { userId, gone }: Claimant,
  work: (tx: Db) => Promise<T>,
): Promise<T> {
  const giveUpAt = performance.now() + WAIT_MS
  const line = `${lock.name} ${userId}`
  await enter(line, giveUpAt, gone)
  try {
    for (;;) {
      refuseGone(gone)
      const done = await db.transaction(async tx => {
        if (!(await lock.take(tx, userId))) return null
        const result = await work(tx)
        refuseGone(gone)
        return { result }
      })
      if (done) return done.result
      if (performance.now() + LOOK_MS > giveUpAt) throw busy()
      await delay(LOOK_MS)
    }
  } finally {
    leave(line)
  }
}

/** Aborted when the client leaves without its answer. */
export function goneSignal(res: Response): AbortSignal {
  const gone = new AbortController()
  const check = () => {
    if (!res.writableFinished) gone.abort()
  }
  if (res.closed) check()
  else res.once('close', check)
  return gone.signal
}

async function enter(line: string, giveUpAt: number, gone: AbortSignal | undefined): Promise<void> {
  const waiting = lines.get(line)
  if (!waiting) return void lines.set(line, [])
  const { promise, resolve } = Promise.withResolvers<void>()
  waiting.push(resolve)
  const tooLong = new AbortController()
  const timer = setTimeout(() => tooLong.abort(), giveUpAt - performance.now())
  const stop = AbortSignal.any([tooLong.signal, ...(gone ? [gone] : [])])
  stop.addEventListener('abort', () => resolve(), { once: true })
  await promise
  clearTimeout(timer)
  const place = waiting.indexOf(resolve)
  // Called forward, perhaps at the same moment: the turn is taken, and given on by whoever took it.
  if (place < 0) return
  waiting.splice(place, 1)
  refuseGone(gone)
  throw busy()
}

function leave(line: string): void {
  const next = lines.get(line)?.shift()
  if (next) next()
  else lines.delete(line)
}

function busy(): Refusal {
  return new Refusal(503, 'errors.busy', {}, RETRY_SECONDS)
}

function refuseGone(gone: AbortSignal | undefined): void {
  if (gone?.aborted) throw new Refusal(408, 'errors.bad_request')
}
