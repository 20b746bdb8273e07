import { z } from 'zod'

/** Which days of a person are looked at, by what, in their own zone; days are `2026-11-26`, the last one included. */
export interface Period {
  range: (typeof ranges)[number]
  from: string
  until: string
  zone: string
}

export const ranges = ['today', 'week', 'month', 'days'] as const
export const groupings = ['day', 'key', 'model', 'kind', 'who', 'conversation'] as const
export type Grouping = (typeof groupings)[number]

const LONGEST_DAYS = 366

const Query = z.object({
  range: z.enum(ranges).catch('month'),
  from: z.iso.date().optional().catch(undefined),
  until: z.iso.date().optional().catch(undefined),
  by: z.enum(groupings).catch('day'),
})

/** From an address; what is no day, or no range, counts as not said. A year is the most. */
export function readPeriod(query: unknown, zone: string, now = new Date()): Period & { by: Grouping } {
  const { range, from, until, by } = Query.parse(query)
  const today = dayIn(zone, now)
  if (range === 'days' && from) {
    const last = until && until >= from ? until : from
    const isTooLong = last > shiftDay(from, LONGEST_DAYS - 1)
    return { range, from, until: isTooLong ? shiftDay(from, LONGEST_DAYS - 1) : last, zone, by }
  }
  const first = range === 'today' ? today : range === 'week' ? shiftDay(today, -6) : `${today.slice(0, 8)}01`
  return { range: range === 'days' ? 'month' : range, from: first, until: today, zone, by }
}

/** The address of the same, with something else. */
export function addressOf({ range, from, until, by }: Period & { by: Grouping }, path = '/spend'): string {
  const days = range === 'days' ? { from, until } : {}
  return `${path}?${new URLSearchParams({ range, ...days, by })}`
}

/** Every day of it, the first one first. */
export function daysOf({ from, until }: Period): string[] {
  const days: string[] = []
  for (let day = from; day <= until; day = shiftDay(day, 1)) days.push(day)
  return days
}

export function dayIn(zone: string, at: Date): string {
  return new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(
    at,
  )
}

// A day of the calendar has no hours: none is lost or gained where clocks are changed.
function shiftDay(day: string, by: number): string {
  const date = new Date(`${day}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() + by)
  return date.toISOString().slice(0, 10)
}
