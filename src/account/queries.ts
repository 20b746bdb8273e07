import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Prices } from './prices.ts'

const Account = z.object({
  userId: z.number(),
  balance: z.number().nullable(),
  balanceAt: z.date().nullable(),
  keyId: z.number().nullable(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  keyAllowsImages: z.boolean().nullable(),
  keyPrices: Prices.nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
})
export type Account = z.output<typeof Account>

export function findAccount(db: Db, userId: number): Promise<Account | null> {
  return db.maybeOne(Account, `select * from accounts where user_id = $1`, [userId])
}

export async function upsertBalance(db: Db, userId: number, balance: number): Promise<void> {
  await db.run(
    `insert into accounts (user_id, balance, balance_at) values ($1, $2, now())
     on conflict (user_id) do update set balance = $2, balance_at = now()`,
    [userId, balance],
  )
}

export interface ChosenKey {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  prices: Prices | null
  sealed: Buffer
}

export async function upsertChosenKey(db: Db, userId: number, key: ChosenKey): Promise<void> {
  await db.run(
    `insert into accounts (user_id, key_id, key_name, key_group, key_allows_images, key_prices, key_secret)
     values ($1, $2, $3, $4, $5, $6, $7)
     on conflict (user_id) do update set key_id = $2, key_name = $3, key_group = $4, key_allows_images = $5,
       key_prices = $6, key_secret = $7`,
    [userId, key.id, key.name, key.group, key.allowsImages, JSON.stringify(key.prices), key.sealed],
  )
}

/** The key is gone from the gateway, or can no longer be used. */
export async function clearChosenKey(db: Db, userId: number): Promise<void> {
  await db.run(
    `update accounts set key_id = null, key_name = null, key_group = null, key_allows_images = null, key_prices = null,
       key_secret = null where user_id = $1`,
    [userId],
  )
}

const SealedKey = z.object({ userId: z.number(), keySecret: z.instanceof(Buffer) })

/** Chosen keys that were sealed with one of these. */
export function listKeysSealedWith(db: Db, sealedWith: readonly Buffer[], limit: number) {
  return db.many(
    SealedKey,
    `select user_id, key_secret from accounts where substring(key_secret from 2 for 4) = any($1::bytea[]) limit $2`,
    [sealedWith, limit],
  )
}

/** The same key, sealed anew. */
export function replaceSealedKey(db: Db, old: z.output<typeof SealedKey>, keySecret: Buffer): Promise<number> {
  return db.run(`update accounts set key_secret = $3 where user_id = $1 and key_secret = $2`, [
    old.userId,
    old.keySecret,
    keySecret,
  ])
}
