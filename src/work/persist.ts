import { setTimeout as delay } from 'node:timers/promises'
import { DatabaseUnavailable, isValueRefused } from '../db/errors.ts'
import type { Deps } from '../deps.ts'
import { aborted } from '../stopping.ts'
import { StorageError } from '../storage/storage.ts'

const LAST_TRY_MS = 500

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

/** A stop did not wait for it any longer. */
export class Left extends Error {
  override readonly name = 'Left'
}

/** Store or database are away, or too slow for a process that has to end. */
export function isOutage(error: unknown): error is StorageError | DatabaseUnavailable | Left {
  return error instanceof StorageError || error instanceof DatabaseUnavailable || error instanceof Left
}
