import { z } from 'zod'
import { readFilter, wordsOf } from '../library/filter.ts'
import type { HistoryView } from './view.ts'

export const kindsOfJobs = ['all', 'made', 'open', 'nothing'] as const

/** What of a person's history is shown; its address says all of it. */
export interface HistoryFilter {
  /** As it was typed. */
  q: string
  words: string[]
  /** `made`: there are pictures of it, or will be soon; `open`: it is under way; `nothing`: it ended without any. */
  show: (typeof kindsOfJobs)[number]
  isNarrow: boolean
}

const Show = z.enum(kindsOfJobs).catch('all')

/** Of the fields of an address, searched by words as the library is. */
export function readHistory(query: { show?: unknown }): HistoryFilter {
  const filter = readFilter(query)
  const words = wordsOf(filter)
  const show = Show.parse(query.show)
  return { q: filter.q, words, show, isNarrow: words.length > 0 || show !== 'all' }
}

/** Where it is shown so, from this cursor on. */
export function historyAddress({ q, show }: HistoryFilter, before: string | null = null): string {
  const fields = { ...(q && { q }), ...(show !== 'all' && { show }), ...(before && { before }) }
  const query = new URLSearchParams(fields).toString()
  return query ? `/images?${query}` : '/images'
}

/** What a page offers for it; null where there is nothing to look through. */
export function viewHistory(filter: HistoryFilter, hasJobs: boolean): HistoryView | null {
  if (!hasJobs && !filter.isNarrow) return null
  const { q, show, isNarrow } = filter
  const ways = kindsOfJobs.map(kind => ({
    kind,
    href: historyAddress({ ...filter, show: kind }),
    isChosen: kind === show,
  }))
  return { q, show, ways, isNarrow }
}
