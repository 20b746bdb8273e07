import { z } from 'zod'
import { goneState, KeyState } from '../account/key-state.ts'
import { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'

export const SshKey = z.object({
  id: z.string(),
  userId: z.number(),
  name: z.string(),
  type: z.string(),
  blob: z.instanceof(Buffer),
  fingerprint: z.string(),
  keyId: z.number(),
  keyName: z.string(),
  keyGroup: z.string().nullable(),
  keyAllowsImages: z.boolean(),
  keyPrices: Prices.nullable(),
  keyCheckedAt: z.date(),
  keyState: KeyState.nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
  picturesPerDay: z.number().nullable(),
  jobsAtOnce: z.number().nullable(),
  sizes: z.array(z.string()).nullable(),
  qualities: z.array(z.string()).nullable(),
  // `numeric` arrives as text.
  spendPerDay: z.coerce.number().nullable(),
  spendTotal: z.coerce.number().nullable(),
  proofNonce: z.string().nullable(),
  proofText: z.string().nullable(),
  createdAt: z.date(),
  provedAt: z.date().nullable(),
  lastUsedAt: z.date().nullable(),
  revokedAt: z.date().nullable(),
})
/** An SSH public key bound to an API key of its owner. */
export type SshKey = z.output<typeof SshKey>
/** What an SSH key may do; null = no limit. Money is US dollars, days are those of UTC. */
export type Limits = Pick<
  SshKey,
  'picturesPerDay' | 'jobsAtOnce' | 'sizes' | 'qualities' | 'spendPerDay' | 'spendTotal'
>

/** The API key that pays, as an SSH key remembers it. */
export interface BoundKey {
  id: number
  name: string
  group: string | null
  allowsImages: boolean
  prices: Prices | null
  state: KeyState
  sealed: Buffer
}

interface NewSshKey {
  id: string
  userId: number
  name: string
  type: string
  blob: Buffer
  fingerprint: string
  key: BoundKey
  proofNonce: string
  proofText: string
}

/** Pending. Null when the person has a binding of this key already. */
export function insertSshKey(db: Db, sshKey: NewSshKey): Promise<SshKey | null> {
  const { key } = sshKey
  return db.maybeOne(
    SshKey,
    `insert into ssh_keys (id, user_id, name, type, blob, fingerprint, key_id, key_name, key_group, key_allows_images,
       key_prices, key_secret, proof_nonce, proof_text, key_state)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
     on conflict (user_id, fingerprint) where revoked_at is null do nothing returning *`,
    [
      sshKey.id,
      sshKey.userId,
      sshKey.name,
      sshKey.type,
      sshKey.blob,
      sshKey.fingerprint,
      key.id,
      key.name,
      key.group,
      key.allowsImages,
      JSON.stringify(key.prices),
      key.sealed,
      sshKey.proofNonce,
      sshKey.proofText,
      JSON.stringify(key.state),
    ],
  )
}

/** Not the revoked ones. */
export function findSshKey(db: Db, userId: number, id: string): Promise<SshKey | null> {
  return db.maybeOne(SshKey, `select * from ssh_keys where id = $1 and user_id = $2 and revoked_at is null`, [
    id,
    userId,
  ])
}

export function listSshKeys(db: Db, userId: number): Promise<(SshKey & { tokens: number })[]> {
  return db.many(
    SshKey.extend({ tokens: z.number() }),
    `select k.*, (select count(*) from ssh_tokens t where t.ssh_key_id = k.id and t.expires_at > now()) as tokens
     from ssh_keys k where user_id = $1 and revoked_at is null order by created_at desc, id limit 200`,
    [userId],
  )
}

/** By the one-time address; whoever sends the signature is not signed in. With whose key it would be. */
export function findPendingByNonce(db: Db, nonce: string): Promise<(SshKey & { email: string }) | null> {
  return db.maybeOne(
    SshKey.extend({ email: z.string() }),
    `select k.*, u.email from ssh_keys k join users u on u.id = k.user_id
     where proof_nonce = $1 and proved_at is null and revoked_at is null`,
    [nonce],
  )
}

/** Null when it is proved or revoked already. Fails with unique_violation when another account has proved this key. */
export function proveSshKey(db: Db, pending: SshKey): Promise<SshKey | null> {
  return db.maybeOne(
    SshKey,
    `update ssh_keys set proved_at = now(), proof_nonce = null, proof_text = null
     where id = $1 and user_id = $2 and proved_at is null and revoked_at is null returning *`,
    [pending.id, pending.userId],
  )
}

export async function renameSshKey(db: Db, sshKey: SshKey, name: string): Promise<void> {
  await db.run(`update ssh_keys set name = $3 where id = $1 and user_id = $2`, [sshKey.id, sshKey.userId, name])
}

export async function rebindSshKey(db: Db, sshKey: SshKey, key: BoundKey): Promise<void> {
  await db.run(
    `update ssh_keys set key_id = $3, key_name = $4, key_group = $5, key_allows_images = $6, key_prices = $7,
       key_secret = $8, key_state = $9, key_checked_at = now()
     where id = $1 and user_id = $2 and revoked_at is null`,
    [
      sshKey.id,
      sshKey.userId,
      key.id,
      key.name,
      key.group,
      key.allowsImages,
      JSON.stringify(key.prices),
      key.sealed,
      JSON.stringify(key.state),
    ],
  )
}

/** What the gateway says now of the API key that pays. Null when another has been chosen meanwhile, or all is revoked. */
export function updateBoundKey(db: Db, sshKey: SshKey, key: BoundKey): Promise<SshKey | null> {
  return db.maybeOne(
    SshKey,
    `update ssh_keys set key_name = $4, key_group = $5, key_allows_images = $6, key_prices = $7, key_secret = $8,
       key_state = $9, key_checked_at = now()
     where id = $1 and user_id = $2 and key_id = $3 and revoked_at is null returning *`,
    [
      sshKey.id,
      sshKey.userId,
      key.id,
      key.name,
      key.group,
      key.allowsImages,
      JSON.stringify(key.prices),
      key.sealed,
      JSON.stringify(key.state),
    ],
  )
}

/** The gateway knows the API key no more: its name stays. Null as above. */
export function markBoundKeyGone(db: Db, sshKey: SshKey): Promise<SshKey | null> {
  return db.maybeOne(
    SshKey,
    `update ssh_keys set key_state = $4, key_checked_at = now()
     where id = $1 and user_id = $2 and key_id = $3 and revoked_at is null returning *`,
    [sshKey.id, sshKey.userId, sshKey.keyId, JSON.stringify(goneState)],
  )
}

export async function setLimits(db: Db, sshKey: SshKey, limits: Limits): Promise<void> {
  await db.run(
    `update ssh_keys set pictures_per_day = $3, jobs_at_once = $4, sizes = $5, qualities = $6, spend_per_day = $7,
       spend_total = $8
     where id = $1 and user_id = $2`,
    [
      sshKey.id,
      sshKey.userId,
      limits.picturesPerDay,
      limits.jobsAtOnce,
      limits.sizes,
      limits.qualities,
      limits.spendPerDay,
      limits.spendTotal,
    ],
  )
}

/**
 * Until the transaction ends nobody else asks or changes anything in this SSH key's name: what is counted stays true.
 * Null when it has been revoked.
 */
export function lockSshKey(tx: Db, id: string): Promise<SshKey | null> {
  return tx.maybeOne(
    SshKey,
    `select * from ssh_keys where id = $1 and proved_at is not null and revoked_at is null for no key update`,
    [id],
  )
}

/** Kills its tokens and challenges and erases the API key; the row stays for the name of what it made. */
export function revokeSshKey(tx: Db, userId: number, id: string): Promise<SshKey | null> {
  return tx.maybeOne(
    SshKey,
    `with gone as (
       update ssh_keys set revoked_at = now(), key_secret = null, proof_nonce = null, proof_text = null
       where id = $1 and user_id = $2 and revoked_at is null returning *),
     tokens as (delete from ssh_tokens where ssh_key_id in (select id from gone)),
     challenges as (delete from ssh_challenges where ssh_key_id in (select id from gone))
     select * from gone`,
    [id, userId],
  )
}

/** What has expired, and bindings that nobody has proved for `days`. */
export async function deleteExpired(db: Db, challengeSeconds: number, days: number): Promise<number> {
  const challenges = await db.run(`delete from ssh_challenges where created_at < now() - make_interval(secs => $1)`, [
    challengeSeconds,
  ])
  const tokens = await db.run(`delete from ssh_tokens where expires_at < now()`)
  const pending = await db.run(
    `delete from ssh_keys where proved_at is null and created_at < now() - make_interval(days => $1)`,
    [days],
  )
  return challenges + tokens + pending
}

/** Pending; nothing is known yet of the API key that pays. False when the person has this key already. */
export async function insertMovedKey(
  db: Db,
  key: Pick<NewSshKey, 'id' | 'userId' | 'name' | 'type' | 'blob' | 'fingerprint'> & {
    keyId: number
    keyName: string
    sealed: Buffer
    nonce: string
    text: string
  },
): Promise<boolean> {
  const inserted = await db.run(
    `insert into ssh_keys (id, user_id, name, type, blob, fingerprint, key_id, key_name, key_allows_images, key_secret,
       proof_nonce, proof_text)
     values ($1, $2, $3, $4, $5, $6, $7, $8, true, $9, $10, $11)
     on conflict (user_id, fingerprint) where revoked_at is null do nothing`,
    [
      key.id,
      key.userId,
      key.name,
      key.type,
      key.blob,
      key.fingerprint,
      key.keyId,
      key.keyName,
      key.sealed,
      key.nonce,
      key.text,
    ],
  )
  return inserted === 1
}
