import type { BudgetsPage } from '../spend/budget-view.ts'
import type { Views } from '../web/views.gen.ts'

const now = new Date('2026-03-01T12:00:00Z')
const form = { perDay: '', perMonth: '', perConversation: '', perBatch: '' }
const empty: BudgetsPage = {
  zone: 'Asia/Kathmandu',
  held: 0,
  standings: [],
  form,
  errors: {},
  reason: '',
  saved: false,
  overrides: [],
}
const standing = {
  limit: 5,
  spent: 1,
  held: 0.268,
  hasUnbounded: false,
  isNear: false,
  isOperators: false,
  isOfAll: false,
}
const anew = '2026-03-02 00:00 (Asia/Kathmandu)'
const once = { reason: 'for <her> & the heron', expiresAt: now, budget: null, limit: 0, used: 0 }

export const budgetSamples: { [K in '_budget' | 'spend/budgets']: Views[K][] } = {
  _budget: (['day', 'month', 'user_day', 'user_month'] as const).map(budget => ({
    notice: { budget, limit: 5, until: now },
  })),
  'spend/budgets': [
    empty,
    {
      ...empty,
      held: 0.268,
      form: { ...form, perDay: '5', perBatch: '0.50' },
      saved: true,
      standings: [
        { ...standing, budget: 'day', anew },
        { ...standing, budget: 'month', spent: 5.2, hasUnbounded: true, isNear: true, anew },
        { ...standing, budget: 'user_day', isOperators: true, anew },
        { ...standing, budget: 'user_month', isOperators: true, anew },
        { ...standing, budget: 'house_day', isOperators: true, isOfAll: true, anew },
        { ...standing, budget: 'house_month', isOperators: true, isOfAll: true, anew },
        { ...standing, budget: 'conversation', anew: null },
        { ...standing, budget: 'batch', anew: null },
      ],
      overrides: [
        { ...once, usedAt: null },
        { ...once, usedAt: now, budget: 'day', limit: 5, used: 5.1 },
      ],
    },
    {
      ...empty,
      reason: 'x',
      form: { ...form, perMonth: 'ten' },
      errors: { perMonth: 'An amount.', reason: 'Say why.' },
    },
  ],
}
