import { setTimeout as delay } from 'node:timers/promises'
import { findAccount, setBudgetNotice } from '../account/queries.ts'
import { zoneOf } from '../account/time-zone.ts'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import { Refusal, type See } from '../web/errors.ts'
import { money } from '../web/money.ts'
import * as queries from './budget-queries.ts'

/** The person's own, the operator's for each person, and the operator's for all together. */
export const budgetNames = [
  'day',
  'month',
  'conversation',
  'batch',
  'user_day',
  'user_month',
  'house_day',
  'house_month',
] as const
export type BudgetName = (typeof budgetNames)[number]

/** What one call may come to: US dollars, and whether no bill above that can come back. */
export interface MayCost {
  usd: number
  isBounded: boolean
}

/** What somebody is about to put into the queue, all of it or nothing. */
export interface Spending {
  userId: number
  calls: readonly MayCost[]
  conversationId?: string | null
  isBatch?: boolean
  /** In a browser, by hand: what the person let through beforehand goes through. */
  byHand: boolean
  /** It belongs to what had begun, and is finished also in maintenance. */
  follows?: boolean
}

/** A budget that is kept now, and how it stands. */
export interface Standing {
  budget: BudgetName
  limit: number
  use: queries.Use
  /** When it begins anew; null: never. */
  period: (queries.Period & { zone: string }) | null
}

const MICRO = 1_000_000
/** Such a share of a budget is nearly all of it. */
export const WARN_AT = 0.8
const ONE_BY_ONE = 'spend.budget.refused.one_at_once'
const TRIES = 20
const BETWEEN_TRIES_MS = 500

/**
 * Whether all of it may be put into the queue, in the transaction that does so: what others have put there is seen, and
 * nobody adds to it until this one has ended. Throws `Refusal` 429 with the budget that does not allow it, 403 for one
 * that does not begin anew, and 503 in maintenance: whatever may be paid for passes here.
 */
export async function admitSpending(deps: Pick<Deps, 'config'>, tx: Db, spending: Spending): Promise<void> {
  const { userId, conversationId = null, isBatch = false, follows = false } = spending
  if (!follows) await refuseInMaintenance(tx)
  const own = await queries.findBudgets(tx, userId)
  const isKept = Object.values({ ...own, ...deps.config.budgets }).some(limit => limit !== null)
  if (!isKept) return
  await queries.spendingLock.wait(tx, userId)
  const { housePerDay, housePerMonth } = deps.config.budgets
  if (housePerDay !== null || housePerMonth !== null) await queries.houseSpendingLock.wait(tx, userId)

  const standings = await standingsOf(deps, tx, { userId, conversationId, isBatch, own })
  for (const standing of standings) {
    const isFull = !isWithin(standing, spending.calls)
    if (!isFull && isOneTooMany(standing, spending.calls)) throw oneByOne(spending.calls.length > 1)
    if (!isFull) continue
    const isOwn = ['day', 'month', 'conversation', 'batch'].includes(standing.budget)
    const { budget, limit } = standing
    const over = { budget, limit, used: usedOf(standing, spending.calls) }
    if (isOwn && spending.byHand && (await queries.useOverride(tx, userId, over))) break
    throw refusalOf(standing, spending.calls)
  }
  await setBudgetNotice(tx, userId, noticeOf(standings, spending.calls))
}

/** Whether calls of this person without an upper bound are held to one at a time, each waiting for the bill of the one before. */
export async function isOneAtATime({ config }: Pick<Deps, 'config'>, db: Db, userId: number): Promise<boolean> {
  const own = await queries.findBudgets(db, userId)
  const { userPerDay, userPerMonth } = config.budgets
  return [own?.perDay, own?.perMonth, own?.perConversation, userPerDay, userPerMonth].some(limit => limit != null)
}

/** How all budgets stand that are kept for this person; those of a conversation or a batch where one is given. */
export async function standingsOf(
  { config }: Pick<Deps, 'config'>,
  db: Db,
  who: { userId: number; conversationId: string | null; isBatch: boolean; own: queries.Budgets | null },
): Promise<Standing[]> {
  const { userId, conversationId, isBatch, own } = who
  const { userPerDay, userPerMonth, housePerDay, housePerMonth } = config.budgets
  const zone = zoneOf(await findAccount(db, userId))
  const standings: Standing[] = []
  const add = async (budget: BudgetName, limit: number | null, unit: 'day' | 'month', whose: 'person' | 'all') => {
    if (limit === null) return
    const named = whose === 'all' ? 'UTC' : zone
    const period = await queries.findPeriod(db, unit, named)
    const scope = whose === 'all' ? { of: whose, from: period.from } : { of: whose, userId, from: period.from }
    standings.push({ budget, limit, use: await queries.sumUse(db, scope), period: { ...period, zone: named } })
  }
  await add('day', own?.perDay ?? null, 'day', 'person')
  await add('month', own?.perMonth ?? null, 'month', 'person')
  if (own?.perConversation != null && conversationId) {
    const use = await queries.sumUse(db, { of: 'conversation', id: conversationId })
    standings.push({ budget: 'conversation', limit: own.perConversation, use, period: null })
  }
  // All lines of a batch come at once.
  if (own?.perBatch != null && isBatch) {
    const use = { spent: 0, held: 0, hasUnbounded: false, isOpenEnded: false }
    standings.push({ budget: 'batch', limit: own.perBatch, use, period: null })
  }
  await add('user_day', userPerDay, 'day', 'person')
  await add('user_month', userPerMonth, 'month', 'person')
  await add('house_day', housePerDay, 'day', 'all')
  await add('house_month', housePerMonth, 'month', 'all')
  // One's own may be let through, once: not unless those of the operator allow it too.
  return standings.toSorted((a, b) => Number(isOperators(b.budget)) - Number(isOperators(a.budget)))
}

/** How the operator's budgets for all together stand; none where none is kept. */
export async function standingOfAll({ config }: Pick<Deps, 'config'>, db: Db): Promise<Standing[]> {
  const { housePerDay, housePerMonth } = config.budgets
  const kept = [
    { budget: 'house_day', limit: housePerDay, unit: 'day' },
    { budget: 'house_month', limit: housePerMonth, unit: 'month' },
  ] as const
  const standings: Standing[] = []
  for (const { budget, limit, unit } of kept) {
    if (limit === null) continue
    const period = await queries.findPeriod(db, unit, 'UTC')
    const use = await queries.sumUse(db, { of: 'all', from: period.from })
    standings.push({ budget, limit, use, period: { ...period, zone: 'UTC' } })
  }
  return standings
}

export function isOperators(budget: BudgetName): boolean {
  return budget.startsWith('user_') || budget.startsWith('house_')
}

/** More than four fifths of it are spent or held. */
export function isNearlyUsed({ limit, use }: Pick<Standing, 'limit' | 'use'>): boolean {
  return micros(use.spent + use.held) >= micros(limit * WARN_AT)
}

/**
 * A call without an upper bound is held at what its like has come to. Where that does not fit any more, one of them may
 * still take what is left, as long as no other one is under way: what it comes to above that is all that can be too much.
 */
function isWithin(standing: Standing, calls: readonly MayCost[]): boolean {
  const { limit, use } = standing
  if (micros(usedOf(standing, calls)) <= micros(limit)) return true
  const [only, ...more] = calls
  const isLast = only && !only.isBounded && more.length === 0 && !use.hasUnbounded
  return isLast === true && micros(use.spent + use.held) < micros(limit)
}

/**
 * Each without an upper bound may come to more than is held for it, and so may two together by twice as much. Of a budget
 * of all people that would keep everybody waiting for everybody: there it may be one of each person.
 */
function isOneTooMany({ budget, use }: Standing, calls: readonly MayCost[]): boolean {
  if (budget === 'house_day' || budget === 'house_month') return false
  const unbounded = calls.filter(({ isBounded }) => !isBounded).length
  return unbounded > 1 || (unbounded === 1 && use.isOpenEnded)
}

function usedOf({ use }: Standing, calls: readonly MayCost[]): number {
  return calls.reduce((sum, { usd }) => sum + usd, use.spent + use.held)
}

const see: See = { href: '/spend/budgets', words: 'spend.budget.link' }

/** Told to scripts as such. */
export function isOfBudget({ key }: Refusal): boolean {
  return key.startsWith('spend.budget.refused.')
}

function oneByOne(areTogether: boolean): Refusal {
  return areTogether
    ? new Refusal(422, 'spend.budget.refused.together', {}, undefined, see)
    : new Refusal(429, ONE_BY_ONE, {}, 5, see)
}

/**
 * The same once more as long as nothing but the bill of the call before is in the way: it is about to come. Whoever asks
 * waits for some seconds.
 */
export async function oneAfterAnother<T>(ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      const isPassing = error instanceof Refusal && error.key === ONE_BY_ONE
      if (!isPassing || tries >= TRIES) throw error
      await delay(BETWEEN_TRIES_MS)
    }
  }
}

function refusalOf({ budget, limit, use, period }: Standing, calls: readonly MayCost[]): Refusal {
  const price = calls.reduce((sum, { usd }) => sum + usd, 0)
  const amounts = { limit: money(limit), spent: money(use.spent), held: money(use.held), price: money(price) }
  if (!period) return new Refusal(403, `spend.budget.refused.${budget}`, amounts, undefined, see)
  const at = `${period.untilText} (${period.zone})`
  const seconds = Math.max(1, Math.ceil((period.until.getTime() - Date.now()) / 1000))
  return new Refusal(429, `spend.budget.refused.${budget}`, { ...amounts, at }, seconds, see)
}

/** Of those that begin anew, one that is nearly used with what comes now; null where none is. */
function noticeOf(standings: readonly Standing[], calls: readonly MayCost[]) {
  for (const standing of standings) {
    const { budget, limit, period } = standing
    const isTold = budget === 'day' || budget === 'month' || budget === 'user_day' || budget === 'user_month'
    if (!isTold || !period || micros(usedOf(standing, calls)) < micros(limit * WARN_AT)) continue
    return { budget, limit, until: period.until }
  }
  return null
}

// In whole millionths of a dollar: sums of prices in floating point miss a limit by a hair.
function micros(usd: number): number {
  return Math.round(usd * MICRO)
}
