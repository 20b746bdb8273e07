import type { WindowName } from '../gateway/windows.ts'
import type { Honour } from './honours.ts'
import type { Prices } from './prices.ts'

/** Why a key cannot pay. */
export const keyProblems = [
  'inactive',
  'disabled',
  'quota_exhausted',
  'expired',
  'no_group',
  'other_platform',
  'gone',
] as const
export type KeyProblem = (typeof keyProblems)[number]

/** Why a key was chosen for somebody who had chosen none: the only one for pictures, paid by a plan, or none is cheaper. */
export const keyReasons = ['pictures', 'plan', 'cheapest'] as const
export type KeyReason = (typeof keyReasons)[number]

/** A key that could pay instead of the chosen one. */
export interface OtherKey {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  prices: Prices | null
  /** Not paid from the balance. */
  isPlan: boolean
}

/** What stands in the way of paying with the chosen key. */
export interface ObstacleView {
  why: 'no_store' | 'no_key' | 'group_no_images' | 'no_balance' | KeyProblem | `window_${WindowName}`
  /** Name of the chosen key; empty without one. */
  key: string
  /** Nothing is even asked of the gateway. */
  blocks: boolean
  /** A full window opens then by itself, and what is asked for now waits for it. */
  until: Date | null
  others: OtherKey[]
}

/** An API key of the gateway, without its secret. */
export interface KeyView {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  /** US dollars left of the key's own quota; null = no quota. */
  remaining: number | null
  expiresAt: Date | null
  /** US dollars a window of time: null `resetsAt` before the first call in it. */
  windows: { window: WindowName; limit: number; used: number; resetsAt: Date | null; isFull: boolean }[]
  /** Null when it can be used. */
  problem: KeyProblem | null
  /** What it makes of what is asked, as far as that is known. */
  honours: Honour[]
  chosen: boolean
}

/** The choice of previews for edits; in US dollars what one edit of 1024² comes to, by tokens and by picture. */
export interface EditPreviewsView {
  on: boolean
  byTokens: number
  /** Null when the key's price is not known. */
  byPicture: number | null
}

/** The zone in which days and months of money are counted, and what else there is. */
export interface DaysView {
  zone: string
  zones: readonly string[]
}

/** The keys part of the account page. `unavailable`: the gateway could not be asked. */
export interface KeysView {
  keys: KeyView[]
  /** Groups a new key may be bound to; the only one comes preselected. */
  groups: { id: number; name: string; description: string; allowsImages: boolean; multiplier: number }[]
  /** Of the form for a new key: sent twice, it makes one key. */
  submission: string
  /** Where choosing or creating one leads. */
  next: string
  error: string | null
  unavailable: boolean
}
