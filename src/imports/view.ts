export const outcomes = ['added', 'skipped', 'refused'] as const
export type Outcome = (typeof outcomes)[number]

/** Why an entry was not taken, or how it was. */
export const reasons = [
  // Added
  'restored',
  // Skipped
  'known',
  'paper',
  'of_system',
  // Refused
  'name',
  'twice',
  'not_plain',
  'encrypted',
  'method',
  'damaged',
  'too_large',
  'too_much',
  'manifest',
  'changed',
  'absent',
  'not_an_image',
  'unsupported_format',
  'too_many_pixels',
  'no_room',
] as const
export type Reason = (typeof reasons)[number]

/** Why an import failed as a whole, or went no further. */
export const problems = ['no_zip', 'cut', 'too_many', 'manifest', 'store'] as const

/** An import, as its person sees it. */
export interface ImportView {
  id: string
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  name: string
  bytes: number
  /** Entries; null before anybody has looked. */
  total: number | null
  added: number
  skipped: number
  refused: number
  problem: (typeof problems)[number] | null
  cancelling: boolean
  createdAt: Date
}

/** What became of the entries of one outcome, from some place on. */
export interface EntriesView {
  outcome: Outcome
  count: number
  entries: { name: string; reason: Reason | null; url: string | null }[]
  /** Where the list goes on. */
  more: string | null
}
