import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Honour } from './honours.ts'
import { goneState, KeyState } from './key-state.ts'
import { Prices } from './prices.ts'
import { type KeyReason, keyReasons } from './view.ts'

const OtherKey = z.object({
  id: z.number(),
  name: z.string(),
  group: z.string().nullable(),
  allowsImages: z.boolean(),
  /** Null until they were read. */
  prices: Prices.nullable().default(null),
  isPlan: z.boolean().default(false),
})
type OtherKey = z.output<typeof OtherKey>

/** So much of a budget is used that pages say so, until it begins anew. US dollars. */
const BudgetNotice = z.object({
  budget: z.enum(['day', 'month', 'user_day', 'user_month']),
  limit: z.number(),
  until: z.coerce.date(),
})
type BudgetNotice = z.output<typeof BudgetNotice>

const Account = z.object({
  userId: z.number(),
  balance: z.number().nullable(),
  balanceAt: z.date().nullable(),
  keyId: z.number().nullable(),
  keyName: z.string().nullable(),
  /** Null once the person has chosen it, or paid with it. */
  keyWhy: z.enum(keyReasons).nullable(),
  keyGroup: z.string().nullable(),
  keyAllowsImages: z.boolean().nullable(),
  keyPrices: Prices.nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
  /** Whether edits come with previews; null: as the operator has it. */
  editPreviews: z.boolean().nullable(),
  /** Null until it was first read. */
  keyState: KeyState.nullable(),
  keyCheckedAt: z.date().nullable(),
  otherKeys: z.array(OtherKey),
  /** IANA name; null until it was chosen, or guessed at a sign-in. */
  timeZone: z.string().nullable(),
  budgetNotice: BudgetNotice.nullable(),
  /** Kinds of advice before paying that are not wanted. */
  hushedAdvice: z.array(z.string()),
  /** Of all keys that have paid for pictures, as far as it is known. */
  honours: z.array(Honour),
})
export type Account = z.output<typeof Account>

export function findAccount(db: Db, userId: number): Promise<Account | null> {
  return db.maybeOne(Account, `select * from accounts where user_id = $1`, [userId])
}

/** How the account of who visits comes with the visit. */
export const accountOfVisit = {
  columns: `accounts.user_id as account_of, balance, balance_at, key_id, key_name, key_group, key_allows_images, key_prices,
    key_secret, key_why, edit_previews, key_state, key_checked_at, other_keys,
    time_zone, budget_notice, hushed_advice, honours`,
  join: 'left join accounts on accounts.user_id = sign_ins.user_id',
}

export function readAccount(visit: Record<string, unknown>): Account | null {
  return visit.accountOf === null ? null : Account.parse(visit)
}

export async function upsertBalance(db: Db, userId: number, balance: number): Promise<void> {
  await db.run(
    `insert into accounts (user_id, balance, balance_at) values ($1, $2, now())
     on conflict (user_id) do update set balance = $2, balance_at = now()`,
    [userId, balance],
  )
}

/** What the gateway told last of everybody's balance, in a statement of another room: `user_id`, `balance`, `balance_at`. */
export const knownBalances = `(select user_id, round(balance::numeric, 10) as balance, balance_at from accounts where balance is not null)`

/** The gateway has just refused a call for it. */
export async function noteEmptyBalance(db: Db, userId: number): Promise<void> {
  await db.run(`update accounts set balance = least(balance, 0), balance_at = now() where user_id = $1`, [userId])
}

/** Null: nothing is to be said. */
export async function setBudgetNotice(tx: Db, userId: number, notice: BudgetNotice | null): Promise<void> {
  await tx.run(
    `insert into accounts (user_id, budget_notice) values ($1, $2)
     on conflict (user_id) do update set budget_notice = $2 where accounts.budget_notice is distinct from $2`,
    [userId, notice && JSON.stringify(notice)],
  )
}

export async function setEditPreviews(db: Db, userId: number, wanted: boolean): Promise<void> {
  await db.run(
    `insert into accounts (user_id, edit_previews) values ($1, $2)
     on conflict (user_id) do update set edit_previews = $2`,
    [userId, wanted],
  )
}

export async function hushAdvice(db: Db, userId: number, kind: string): Promise<void> {
  await db.run(
    `insert into accounts (user_id, hushed_advice) values ($1, array[$2])
     on conflict (user_id) do update set hushed_advice = array_append(array_remove(accounts.hushed_advice, $2), $2)`,
    [userId, kind],
  )
}

/** All of it is wanted again. */
export async function unhushAdvice(db: Db, userId: number): Promise<void> {
  await db.run(`update accounts set hushed_advice = '{}' where user_id = $1`, [userId])
}

export async function setHonours(tx: Db, userId: number, honours: readonly Honour[]): Promise<void> {
  await tx.run(
    `insert into accounts (user_id, honours) values ($1, $2) on conflict (user_id) do update set honours = $2`,
    [userId, JSON.stringify(honours)],
  )
}

export interface ChosenKey {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  prices: Prices | null
  state: KeyState
  sealed: Buffer
}

/** `others`: what could pay instead. */
export async function upsertChosenKey(
  db: Db,
  userId: number,
  key: ChosenKey,
  others: readonly OtherKey[],
): Promise<void> {
  await db.run(
    `insert into accounts (user_id, key_id, key_name, key_group, key_allows_images, key_prices, key_secret, key_state,
       other_keys, key_checked_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
     on conflict (user_id) do update set key_id = $2, key_name = $3, key_group = $4, key_allows_images = $5,
       key_prices = $6, key_secret = $7, key_state = $8, other_keys = $9, key_checked_at = now(), key_why = null`,
    valuesOf(userId, key, others),
  )
}

/** For somebody who has chosen none; nothing when one has been chosen meanwhile. */
export async function preselectKey(
  db: Db,
  userId: number,
  key: ChosenKey,
  others: readonly OtherKey[],
  why: KeyReason,
): Promise<void> {
  await db.run(
    `insert into accounts (user_id, key_id, key_name, key_group, key_allows_images, key_prices, key_secret, key_state,
       other_keys, key_checked_at, key_why)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $10)
     on conflict (user_id) do update set key_id = $2, key_name = $3, key_group = $4, key_allows_images = $5,
       key_prices = $6, key_secret = $7, key_state = $8, other_keys = $9, key_checked_at = now(), key_why = $10
     where accounts.key_id is null`,
    [...valuesOf(userId, key, others), why],
  )
}

/** The person has seen which key pays, and why. */
export async function acceptKey(db: Db, userId: number): Promise<void> {
  await db.run(`update accounts set key_why = null where user_id = $1 and key_why is not null`, [userId])
}

/** The same, but nothing when another key has been chosen meanwhile. */
export async function updateChosenKey(
  db: Db,
  userId: number,
  key: ChosenKey,
  others: readonly OtherKey[],
): Promise<void> {
  await db.run(
    `update accounts set key_name = $3, key_group = $4, key_allows_images = $5, key_prices = $6, key_secret = $7,
       key_state = $8, other_keys = $9, key_checked_at = now()
     where user_id = $1 and key_id = $2`,
    valuesOf(userId, key, others),
  )
}

function valuesOf(userId: number, key: ChosenKey, others: readonly OtherKey[]): unknown[] {
  const { id, name, group, allowsImages, prices, sealed, state } = key
  return [
    userId,
    id,
    name,
    group,
    allowsImages,
    JSON.stringify(prices),
    sealed,
    JSON.stringify(state),
    JSON.stringify(others),
  ]
}

/** The gateway does not know the chosen key any more: what it was called stays, so that this can be said. */
export async function markKeyGone(db: Db, userId: number, keyId: number, others: readonly OtherKey[]): Promise<void> {
  await db.run(
    `update accounts set key_state = $3, other_keys = $4, key_checked_at = now() where user_id = $1 and key_id = $2`,
    [userId, keyId, JSON.stringify(goneState), JSON.stringify(others)],
  )
}

/** What is known of this key is read again before it is used next. */
export async function forgetKeyState(db: Db, userId: number, keyId: number): Promise<void> {
  await db.run(`update accounts set key_checked_at = null where user_id = $1 and key_id = $2`, [userId, keyId])
}

/** Of somebody who has chosen none. */
export async function updateOtherKeys(db: Db, userId: number, others: readonly OtherKey[]): Promise<void> {
  await db.run(
    `insert into accounts (user_id, other_keys, key_checked_at) values ($1, $2, now())
     on conflict (user_id) do update set other_keys = $2, key_checked_at = now() where accounts.key_id is null`,
    [userId, JSON.stringify(others)],
  )
}
