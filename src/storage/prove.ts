import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from '../log.ts'
import type { Storage } from './storage.ts'

const LONGEST_MS = 2_000

/**
 * Asks a store until it has once taken, given back and deleted an object: before that nothing is begun that it will have
 * to keep. Resolves then, or when `until` is aborted.
 */
export async function proveStorage(storage: Storage, log: Logger, until: AbortSignal): Promise<void> {
  for (let wait = 250; !until.aborted; wait = Math.min(wait * 2, LONGEST_MS)) {
    try {
      await storage.ready()
      if (wait > 250) log.info('the store of pictures answers now')
      return
    } catch (error) {
      log.error({ err: error }, 'the store of pictures has not answered since the start: no picture is begun')
    }
    await delay(wait, undefined, { signal: until, ref: false }).catch(() => undefined)
  }
}
