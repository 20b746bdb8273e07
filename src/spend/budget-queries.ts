import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { lockOfAll, lockOfPerson } from '../db/locks.ts'
import { isOpen } from './reservation-queries.ts'

// `numeric` arrives as text.
const usd = z.coerce.number()

const Budgets = z.object({
  perDay: usd.nullable(),
  perMonth: usd.nullable(),
  perConversation: usd.nullable(),
  perBatch: usd.nullable(),
})
/** What a person allows, in US dollars; null: no limit. */
export type Budgets = z.output<typeof Budgets>

/** Whoever has it is alone in adding to what this person may have to pay; taken after every other lock but the next. */
export const spendingLock = lockOfPerson('spending', 743_002)

/** The same of everybody together: the last lock of all. */
export const houseSpendingLock = lockOfAll('spending of all', 743_003)

export function findBudgets(db: Db, userId: number): Promise<Budgets | null> {
  return db.maybeOne(Budgets, `select * from budgets where user_id = $1`, [userId])
}

export async function upsertBudgets(db: Db, userId: number, budgets: Budgets): Promise<void> {
  const { perDay, perMonth, perConversation, perBatch } = budgets
  await db.run(
    `insert into budgets (user_id, per_day, per_month, per_conversation, per_batch) values ($1, $2, $3, $4, $5)
     on conflict (user_id) do update set per_day = $2, per_month = $3, per_conversation = $4, per_batch = $5,
       changed_at = now()`,
    [userId, perDay, perMonth, perConversation, perBatch],
  )
}

const Period = z.object({ from: z.date(), until: z.date(), untilText: z.string() })
/** A day or month that is now, in a zone; `untilText`: `2026-11-27 00:00`, as its clocks show it then. */
export type Period = z.output<typeof Period>

/** By the database's own clock. Where clocks are put forward at midnight the day begins with the first moment there is. */
export function findPeriod(db: Db, unit: 'day' | 'month', zone: string): Promise<Period> {
  return db.one(
    Period,
    `select start at time zone $2 as from, (start + ('1 ' || $1)::interval) at time zone $2 as until,
       to_char(start + ('1 ' || $1)::interval, 'YYYY-MM-DD HH24:MI') as until_text
     from (select date_trunc($1, now() at time zone $2) as start) period`,
    [unit, zone],
  )
}

const Use = z.object({ spent: usd, held: usd, hasUnbounded: z.boolean(), isOpenEnded: z.boolean() })
/**
 * US dollars: what was billed, or will never be known better; what is held; whether more than that may come; and whether
 * that is of a call that is under way, or whose bill is about to come.
 */
export type Use = z.output<typeof Use>

export type Scope =
  | { of: 'person'; userId: number; from: Date }
  | { of: 'conversation'; id: string }
  | { of: 'all'; from: Date }

// A bill comes within seconds. One that does not is looked for much longer, and keeps nobody from going on all the while.
// A title comes to a hundredth of a cent.
const isRecent = `kind <> 'title' and (ended_at is null or ended_at > now() - interval '1 minute')`

/** What waits counts as if it were called now. */
export function sumUse(db: Db, scope: Scope): Promise<Use> {
  const { called, waiting, params } = whereOf(scope)
  return db.one(
    Use,
    `select coalesce(sum(usd) filter (where not is_open), 0) as spent, coalesce(sum(usd) filter (where is_open), 0) as held,
       coalesce(bool_or(is_open and not is_bounded), false) as has_unbounded,
       coalesce(bool_or(is_open and not is_bounded and is_recent), false) as is_open_ended
     from (
       select at_most_usd as usd, ${isOpen} as is_open, is_bounded, ${isRecent} as is_recent from receipts where ${called}
       union all select coalesce(dearest, expected), true, dearest is not null, true from reservations where ${waiting}) calls`,
    params,
  )
}

function whereOf(scope: Scope): { called: string; waiting: string; params: unknown[] } {
  if (scope.of === 'all') return { called: 'called_at >= $1', waiting: 'true', params: [scope.from] }
  if (scope.of === 'conversation')
    return { called: 'conversation_id = $1', waiting: 'conversation_id = $1', params: [scope.id] }
  return { called: 'user_id = $1 and called_at >= $2', waiting: 'user_id = $1', params: [scope.userId, scope.from] }
}

const Override = z.object({
  id: z.string(),
  reason: z.string(),
  createdAt: z.date(),
  expiresAt: z.date(),
  usedAt: z.date().nullable(),
  budget: z.string().nullable(),
  limitUsd: usd.nullable(),
  usedUsd: usd.nullable(),
})
/** That a person let something through their own budget, once; or will. */
export type Override = z.output<typeof Override>

const OVERRIDE_HOURS = 1

/** One that was not used is given up for this one. */
export async function insertOverride(tx: Db, userId: number, reason: string): Promise<void> {
  await tx.run(
    `insert into budget_overrides (user_id, reason, expires_at) values ($1, $2, now() + make_interval(hours => $3))
     on conflict (user_id) where used_at is null
       do update set reason = excluded.reason, created_at = now(), expires_at = excluded.expires_at`,
    [userId, reason, OVERRIDE_HOURS],
  )
}

/** False where there is none to use. */
export async function useOverride(
  tx: Db,
  userId: number,
  over: { budget: string; limit: number; used: number },
): Promise<boolean> {
  const used = await tx.run(
    `update budget_overrides set used_at = now(), budget = $2, limit_usd = $3, used_usd = $4
     where user_id = $1 and used_at is null and expires_at > now()`,
    [userId, over.budget, over.limit, over.used],
  )
  return used === 1
}

/** The newest; one that waits to be used comes first. */
export function listOverrides(db: Db, userId: number, limit: number): Promise<Override[]> {
  return db.many(
    Override,
    `select * from budget_overrides where user_id = $1 and (used_at is not null or expires_at > now())
     order by used_at is null desc, created_at desc limit $2`,
    [userId, limit],
  )
}
