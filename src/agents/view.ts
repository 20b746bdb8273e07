import type { KeyView, ObstacleView } from '../account/view.ts'
import type { JobView } from '../images/view.ts'

/** An SSH key in the list. */
export interface SshKeyView {
  id: string
  name: string
  type: string
  fingerprint: string
  apiKeyId: number
  apiKeyName: string
  /** False: it waits for its proof, and signs nobody in. */
  proved: boolean
  createdAt: Date
  lastUsedAt: Date | null
  /** Number of bearer tokens alive. */
  tokens: number
  /** What is in the way of paying with its API key. */
  obstacle: ObstacleView | null
}

/** The API keys that may pay; `unavailable`: the gateway does not answer now. */
export interface PayersView {
  keys: KeyView[]
  unavailable: boolean
}

/** The form that binds an SSH key, as typed. */
export interface BindForm {
  name: string
  publicKey: string
  apiKeyId: string
  /** Field → sentence. */
  errors: Partial<Record<'name' | 'publicKey' | 'apiKey', string>>
}

/** What has to be signed to prove possession. */
interface ProofView {
  text: string
  namespace: string
  /** One line for a shell. */
  command: string
  error: string | null
}

/** Limits as typed; empty = none. */
export interface LimitsForm {
  picturesPerDay: string
  jobsAtOnce: string
  spendPerDay: string
  spendTotal: string
  sizes: string
  qualities: string[]
  errors: Partial<Record<'picturesPerDay' | 'jobsAtOnce' | 'spendPerDay' | 'spendTotal' | 'sizes', string>>
}

interface TokenView {
  id: string
  address: string
  device: string
  createdAt: Date
  expiresAt: Date
}

/** An SSH key on its own page. */
export interface SshKeyPage {
  key: SshKeyView
  /** As it is, or as it was typed. */
  name: string
  /** Null once proved. */
  proof: ProofView | null
  payers: PayersView
  limits: LimitsForm
  /** All qualities there are. */
  qualities: readonly string[]
  /** US dollars; days are those of UTC. */
  used: { pictures: number; spent: number; total: number }
  tokens: TokenView[]
  jobs: JobView[]
  /** Lines for a shell on the machine that holds the private key. */
  quickStart: string
  /** A sentence about a change that was refused. */
  error: string | null
}
