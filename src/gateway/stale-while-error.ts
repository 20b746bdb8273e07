export type StaleWhileError<T> = () => Promise<T>

const pauseAfterError = 5_000

/** Keeps a value for `lifetime` ms; one load at a time; while loading fails, the last good value (RFC 5861 §4, without an end). */
export function staleWhileError<T>(lifetime: number, load: () => Promise<T>): StaleWhileError<T> {
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

  return async () => {
    if (kept && performance.now() < freshUntil) return kept.value
    loading ??= reload()
    return await loading
  }
}
