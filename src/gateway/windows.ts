/** The windows in which the gateway may limit what a key spends, by their names on the wire. */
export const windowNames = ['5h', '1d', '7d'] as const
export type WindowName = (typeof windowNames)[number]

const hours: Record<WindowName, number> = { '5h': 5, '1d': 24, '7d': 7 * 24 }

/** When a window that began then is over. */
export function windowEnd(window: WindowName, start: Date): Date {
  return new Date(start.getTime() + hours[window] * 3_600_000)
}

/** Which window a refusal speaks of: `api key 5小时限额已用完` and its like; null for another limit. */
export function windowIn(message: string): WindowName | null {
  if (/5\s*小时限额|\b5[- ]?h(?:our)?s?\b.*\blimit/i.test(message)) return '5h'
  if (/7\s*天限额|周限额|\b(?:7[- ]?d(?:ay)?s?|weekly)\b.*\blimit/i.test(message)) return '7d'
  return /日限额|\b(?:1[- ]?d(?:ay)?|daily)\b.*\blimit/i.test(message) ? '1d' : null
}
