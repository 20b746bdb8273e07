export type KeyProblem = 'inactive' | 'disabled' | 'quota_exhausted' | 'expired' | 'no_group' | 'other_platform'

/** An API key of the gateway, without its secret. */
export interface KeyView {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  /** US dollars left of the key's own quota; null = no quota. */
  remaining: number | null
  expiresAt: Date | null
  /** Null when it can be used. */
  problem: KeyProblem | null
  chosen: boolean
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
