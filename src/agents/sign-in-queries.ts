import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { SshKey } from './queries.ts'

/** False when no account has proved this key. */
export async function insertChallenge(
  db: Db,
  key: { fingerprint: string; blob: Buffer },
  hash: Buffer,
): Promise<boolean> {
  const inserted = await db.run(
    `insert into ssh_challenges (hash, ssh_key_id)
     select $3, id from ssh_keys where fingerprint = $1 and blob = $2 and proved_at is not null and revoked_at is null`,
    [key.fingerprint, key.blob, hash],
  )
  return inserted === 1
}

const SignInAttempt = z.object({ id: z.string(), userId: z.number(), name: z.string(), challenged: z.boolean() })

interface NewToken {
  hash: Buffer
  seconds: number
  caller: { address: string; userAgent: string }
}

/**
 * Uses the challenge up, unless it is another key's, and gives `token` for it if it is no older than `seconds`. Null
 * when no account has proved this key.
 */
export function spendChallenge(
  db: Db,
  key: { fingerprint: string; blob: Buffer },
  challenge: { hash: Buffer; seconds: number },
  token: NewToken | null,
): Promise<z.output<typeof SignInAttempt> | null> {
  return db.maybeOne(
    SignInAttempt,
    `with found as (
       select id, user_id, name from ssh_keys
       where fingerprint = $1 and blob = $2 and proved_at is not null and revoked_at is null),
     spent as (
       delete from ssh_challenges where hash = $3 and ssh_key_id in (select id from found)
       returning ssh_key_id, created_at),
     fresh as (select ssh_key_id from spent where created_at > now() - make_interval(secs => $4)),
     token as (
       insert into ssh_tokens (ssh_key_id, hash, address, user_agent, expires_at)
       select ssh_key_id, $5, $6, $7, now() + make_interval(secs => $8) from fresh where $5::bytea is not null),
     used as (
       update ssh_keys set last_used_at = now()
       where $5::bytea is not null and id in (select ssh_key_id from fresh)
         and (last_used_at is null or last_used_at < now() - interval '1 minute'))
     select found.*, exists (select from fresh) as challenged from found`,
    [
      key.fingerprint,
      key.blob,
      challenge.hash,
      challenge.seconds,
      token?.hash ?? null,
      token?.caller.address ?? '',
      token?.caller.userAgent ?? '',
      token?.seconds ?? 0,
    ],
  )
}

const Bearer = SshKey.extend({ tokenId: z.string(), usedLately: z.boolean(), email: z.string(), userName: z.string() })
/** Who asks over JSON: an SSH key, its owner and the token shown. */
export type Bearer = z.output<typeof Bearer>

export function findBearer(db: Db, hash: Buffer): Promise<Bearer | null> {
  return db.maybeOne(
    Bearer,
    `select k.*, t.id as token_id, coalesce(t.last_used_at > now() - interval '1 minute', false) as used_lately,
       u.email, u.name as user_name
     from ssh_tokens t join ssh_keys k on k.id = t.ssh_key_id join users u on u.id = k.user_id
     where t.hash = $1 and t.expires_at > now() and k.revoked_at is null`,
    [hash],
  )
}

export async function touchToken(db: Db, bearer: Bearer): Promise<void> {
  await db.run(
    `with used as (update ssh_keys set last_used_at = now() where id = $2)
     update ssh_tokens set last_used_at = now() where id = $1`,
    [bearer.tokenId, bearer.id],
  )
}

export async function deleteToken(db: Db, sshKeyId: string, tokenId: string): Promise<boolean> {
  return (await db.run(`delete from ssh_tokens where id = $1 and ssh_key_id = $2`, [tokenId, sshKeyId])) === 1
}

const LiveToken = z.object({
  id: z.string(),
  address: z.string(),
  userAgent: z.string(),
  createdAt: z.date(),
  expiresAt: z.date(),
  lastUsedAt: z.date().nullable(),
})
type LiveToken = z.output<typeof LiveToken>

export function listTokens(db: Db, sshKey: SshKey, limit: number): Promise<LiveToken[]> {
  return db.many(
    LiveToken,
    `select id, address, user_agent, created_at, expires_at, last_used_at from ssh_tokens
     where ssh_key_id = $1 and expires_at > now() order by created_at desc limit $2`,
    [sshKey.id, limit],
  )
}
