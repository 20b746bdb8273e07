import { setTimeout as delay } from 'node:timers/promises'

export type StaleWhileError<T> = () => Promise<T>

const pauseAfterError = 5_000

/**
 * Keeps a value for `lifetime` ms; one load at a time, and nobody waits longer than `patience` ms from its start. While
 * loading fails or takes longer, the last good value (RFC 5861 §4, without an end); without one, the error.
 */
export function staleWhileError<T>(
  { lifetime, patience }: { lifetime: number; patience: number },
  load: () => Promise<T>,
): StaleWhileError<T> {
  let kept: { value: T } | null = null
  let freshUntil = 0
  let loading: Promise<T> | null = null

  async function reload(): Promise<T> {
    try {
      kept = { value: await load() }
      freshUntil = performance.now() + lifetime
      return kept.value
    } catch (error) {
      if (kept === null) throw error
      freshUntil = performance.now() + pauseAfterError
      return kept.value
    } finally {
      loading = null
    }
  }

  async function impatient(): Promise<T> {
    await delay(patience, undefined, { ref: false })
    if (kept === null) throw new Error(`nothing was loaded within ${patience} ms`)
    return kept.value
  }

  return async () => {
    if (kept && performance.now() < freshUntil) return kept.value
    loading ??= Promise.race([reload(), impatient()])
    return await loading
  }
}
