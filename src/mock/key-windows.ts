import type { Key } from './state.ts'

/** The spending windows of a key; 0 is no limit. `words`: the gateway's own for a window that is used up. */
const windows = [
  { limit: 'rate_limit_5h', usage: 'usage_5h', start: 'window_5h_start', hours: 5, words: 'api key 5小时限额已用完' },
  { limit: 'rate_limit_1d', usage: 'usage_1d', start: 'window_1d_start', hours: 24, words: 'api key 日限额已用完' },
  { limit: 'rate_limit_7d', usage: 'usage_7d', start: 'window_7d_start', hours: 168, words: 'api key 7天限额已用完' },
] as const

/** What the gateway says of a key whose window is used up, until the window ends; null for any other. */
export function usedUpWindow(key: Key): string | null {
  return windows.find(window => key[window.limit] > 0 && usageIn(key, window) >= key[window.limit])?.words ?? null
}

/** A window begins with the first spending in it. */
export function countInWindows(key: Key, usd: number) {
  for (const window of windows) {
    if (endOf(key, window) <= Date.now()) {
      key[window.start] = new Date().toISOString()
      key[window.usage] = 0
    }
    key[window.usage] += usd
  }
}

/** `reset_5h_at` and its sisters, of the windows that have begun. */
export function resetsOf(key: Key): Record<string, string> {
  const begun = windows.filter(window => key[window.limit] > 0 && endOf(key, window) > Date.now())
  return Object.fromEntries(
    begun.map(window => [
      window.start.replace(/window_(.*)_start/, 'reset_$1_at'),
      new Date(endOf(key, window)).toISOString(),
    ]),
  )
}

type Window = (typeof windows)[number]

function usageIn(key: Key, window: Window) {
  return endOf(key, window) > Date.now() ? key[window.usage] : 0
}

function endOf(key: Key, { start, hours }: Window) {
  const begun = key[start]
  return begun === null ? 0 : Date.parse(begun) + hours * 3_600_000
}
