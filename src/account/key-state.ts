import { z } from 'zod'
import { windowNames } from '../gateway/windows.ts'
import { keyProblems } from './view.ts'

/** A spending limit of a key that fills and empties by time. US dollars. */
const SpendWindow = z.object({
  window: z.enum(windowNames),
  limit: z.number(),
  used: z.number(),
  /** Null before the first call in it. */
  resetsAt: z.coerce.date().nullable(),
})
export type SpendWindow = z.output<typeof SpendWindow>

/** What the gateway said last of a key. */
export const KeyState = z.object({
  problem: z.enum(keyProblems).nullable(),
  expiresAt: z.coerce.date().nullable(),
  /** Paid by a plan and not from the balance. */
  isPlan: z.boolean(),
  windows: z.array(SpendWindow),
  /** What its group multiplies the price of tokens by, for this person. */
  rate: z.number().default(1),
})
export type KeyState = z.output<typeof KeyState>

/** Of a key that the gateway does not know any more. */
export const goneState: KeyState = { problem: 'gone', expiresAt: null, isPlan: false, windows: [], rate: 1 }

/** Why nothing can be paid with the key now; null when it can, as far as is known. */
export function problemNow(state: KeyState | null): KeyState['problem'] {
  if (state?.problem) return state.problem
  return state?.expiresAt && state.expiresAt < new Date() ? 'expired' : null
}

/** The window that keeps the key waiting longest; null when none is full. It opens by itself: no used-up quota. */
export function fullWindow(state: KeyState | null): (SpendWindow & { resetsAt: Date }) | null {
  const full = (state?.windows ?? []).flatMap(each =>
    each.used >= each.limit && each.resetsAt && each.resetsAt > new Date()
      ? [{ ...each, resetsAt: each.resetsAt }]
      : [],
  )
  return full.toSorted((a, b) => b.resetsAt.getTime() - a.resetsAt.getTime())[0] ?? null
}
