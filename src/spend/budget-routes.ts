import { type Response, Router } from 'express'
import { setBudgetNotice } from '../account/queries.ts'
import { zoneOf } from '../account/time-zone.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { refuseUnknownFields } from '../web/parse.ts'
import { pageOf, render } from '../web/render.ts'
import { characters, isVisible } from '../web/text.ts'
import { halfWidth } from '../web/typed.ts'
import {
  type Budgets,
  findBudgets,
  insertOverride,
  listOverrides,
  type Override,
  upsertBudgets,
} from './budget-queries.ts'
import type { BudgetsPage, OverrideView, StandingView } from './budget-view.ts'
import { budgetNames, isNearlyUsed, isOperators, type Standing, standingsOf } from './budgets.ts'
import { findHeld } from './reservation-queries.ts'

const amounts = { perDay: 'per_day', perMonth: 'per_month', perConversation: 'per_conversation', perBatch: 'per_batch' }
type Field = keyof Budgets
const fields = Object.keys(amounts) as Field[]
const LONGEST_REASON = 300
const SHOWN_OVERRIDES = 20

/** What a person allows to be spent, how it stands, and what they once let through. */
export function budgetRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/spend/budgets', requireSignIn(deps, [...Object.values(amounts), 'reason']))

  router.get('/spend/budgets', async (req, res) => {
    await show(res, { saved: req.query.saved !== undefined })
  })

  router.post('/spend/budgets', async (req, res) => {
    refuseUnknownFields(req, Object.values(amounts))
    const form = readForm(req.body)
    const read = fields.map(field => [field, readAmount(form[field])] as const)
    const faulty = read.filter(([, amount]) => amount === undefined)
    if (faulty.length > 0) {
      const errors = Object.fromEntries(faulty.map(([field]) => [field, pageOf(res).t('spend.budget.invalid')]))
      return show(res.status(422), { form, errors })
    }
    const { userId } = signedIn(res)
    await db.transaction(async tx => {
      await upsertBudgets(tx, userId, Object.fromEntries(read) as Budgets)
      // What was said of the old ones; the next call says what is so of these.
      await setBudgetNotice(tx, userId, null)
    })
    res.redirect(303, '/spend/budgets?saved')
  })

  router.post('/spend/budgets/once', async (req, res) => {
    refuseUnknownFields(req, ['reason'])
    const reason = textOf(req.body, 'reason')
    if (!isVisible(reason) || characters(reason) > LONGEST_REASON) {
      return show(res.status(422), { reason, errors: { reason: pageOf(res).t('spend.budget.reason_missing') } })
    }
    await insertOverride(db, signedIn(res).userId, reason)
    res.redirect(303, '/spend/budgets#once')
  })

  async function show(res: Response, back: Partial<BudgetsPage>): Promise<void> {
    const { userId } = signedIn(res)
    const own = await findBudgets(db, userId)
    const standings = await standingsOf(deps, db, { userId, conversationId: null, isBatch: false, own })
    render(res, 'spend/budgets', {
      zone: zoneOf(accountOf(res)),
      held: (await findHeld(db, userId)).usd,
      standings: standings.map(viewStanding),
      form: formOf(own),
      errors: {},
      reason: '',
      saved: false,
      overrides: (await listOverrides(db, userId, SHOWN_OVERRIDES)).map(viewOverride),
      ...back,
    })
  }

  return router
}

function viewStanding(standing: Standing): StandingView {
  const { budget, limit, use, period } = standing
  return {
    budget,
    limit,
    ...use,
    isNear: isNearlyUsed(standing),
    isOperators: isOperators(budget),
    isOfAll: budget.startsWith('house_'),
    anew: period && `${period.untilText} (${period.zone})`,
  }
}

function viewOverride({ reason, usedAt, expiresAt, budget, limitUsd, usedUsd }: Override): OverrideView {
  const named = budgetNames.find(name => name === budget) ?? null
  return { reason, usedAt, expiresAt, budget: named, limit: limitUsd ?? 0, used: usedUsd ?? 0 }
}

function formOf(own: Budgets | null): BudgetsPage['form'] {
  const text = (field: Field) => (own?.[field] == null ? '' : String(own[field]))
  return {
    perDay: text('perDay'),
    perMonth: text('perMonth'),
    perConversation: text('perConversation'),
    perBatch: text('perBatch'),
  }
}

function readForm(body: unknown): BudgetsPage['form'] {
  const text = (field: Field) => halfWidth(textOf(body, amounts[field])).slice(0, 100)
  return {
    perDay: text('perDay'),
    perMonth: text('perMonth'),
    perConversation: text('perConversation'),
    perBatch: text('perBatch'),
  }
}

/** Undefined when it is none: what cannot be read must not become no limit. */
function readAmount(typed: string): number | null | undefined {
  const amount = typed.replace(/^\$\s*/, '')
  if (amount === '') return null
  return /^\d{1,7}(\.\d{1,4})?$/.test(amount) ? Number(amount) : undefined
}

function textOf(body: unknown, field: string): string {
  const value = (body as Record<string, unknown> | undefined)?.[field]
  return typeof value === 'string' ? value.trim().slice(0, 2000) : ''
}
