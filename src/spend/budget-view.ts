import type { BudgetName } from './budgets.ts'

/** How a budget stands. US dollars. */
export interface StandingView {
  budget: BudgetName
  limit: number
  spent: number
  held: number
  /** More may come than is held. */
  hasUnbounded: boolean
  isNear: boolean
  /** The operator's; of those for all together nobody is told how much the others use. */
  isOperators: boolean
  isOfAll: boolean
  /** `2026-11-27 00:00 (Asia/Tokyo)`; null: never. */
  anew: string | null
}

export interface OverrideView {
  reason: string
  /** Null: it waits to be used. */
  usedAt: Date | null
  expiresAt: Date
  budget: BudgetName | null
  limit: number
  used: number
}

/** The page of budgets. */
export interface BudgetsPage {
  zone: string
  /** US dollars held for what waits or is under way. */
  held: number
  standings: StandingView[]
  /** As typed; empty: no limit. */
  form: Record<'perDay' | 'perMonth' | 'perConversation' | 'perBatch', string>
  errors: Partial<Record<'perDay' | 'perMonth' | 'perConversation' | 'perBatch' | 'reason', string>>
  reason: string
  saved: boolean
  overrides: OverrideView[]
}
