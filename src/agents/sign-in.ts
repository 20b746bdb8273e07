import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { Secret } from '../secrets/secret.ts'
import { Problem } from './problem.ts'
import * as queries from './queries.ts'
import { verifySignature } from './signature.ts'
import type { SshPublicKey } from './ssh-key.ts'

export const NAMESPACE = 'sub2api-playground'
export const CHALLENGE_SECONDS = 300
export const TOKEN_SECONDS = 12 * 3600

export interface Challenge {
  id: string
  message: string
}

/** A text to sign once, within 300 seconds. Throws `Problem` 404 when no account has proved this key. */
export async function createChallenge(deps: Pick<Deps, 'db'>, key: SshPublicKey): Promise<Challenge> {
  const id = randomUUID()
  const row = await queries.insertChallenge(deps.db, key, sha256(id))
  if (!row) throw notRegistered()
  return { id, message: challengeText(id, key, row.createdAt) }
}

/**
 * Trades a signed challenge for a bearer token. The challenge is used up, whatever comes of it. Throws `Problem` 404
 * when no account has proved this key, 401 when the challenge or the signature is not valid.
 */
export async function signInWithKey(
  deps: Pick<Deps, 'db' | 'log'>,
  attempt: { key: SshPublicKey; challengeId: string; signature: string; caller: Caller },
): Promise<{ token: Secret; sshKey: { id: string; userId: number; name: string } }> {
  const { key, challengeId } = attempt
  const found = await queries.spendChallenge(deps.db, key, sha256(challengeId), CHALLENGE_SECONDS)
  if (!found) throw notRegistered()
  if (!found.challengedAt) throw new Problem(401, 'challenge_not_valid', 'agents.challenge_not_valid')
  const message = Buffer.from(challengeText(challengeId, key, found.challengedAt))
  const problem = verifySignature(attempt.signature, { message, namespace: NAMESPACE, key })
  if (problem) {
    deps.log.info({ sshKey: found.id, problem }, 'an SSH signature was refused')
    throw new Problem(401, 'signature_not_valid', 'agents.signature_not_valid')
  }
  const token = new Secret(`ssh_${randomBytes(32).toString('base64url')}`)
  const inserted = await queries.insertToken(deps.db, {
    sshKeyId: found.id,
    hash: sha256(token.reveal()),
    seconds: TOKEN_SECONDS,
    caller: attempt.caller,
  })
  if (!inserted) throw notRegistered()
  return { token, sshKey: found }
}

/** Who shows this token; null when it is unknown, expired or revoked. */
export async function findBearerOf(deps: Pick<Deps, 'db'>, token: Secret): Promise<queries.Bearer | null> {
  if (!/^ssh_[\w-]{43}$/.test(token.reveal())) return null
  const bearer = await queries.findBearer(deps.db, sha256(token.reveal()))
  if (bearer && !bearer.usedLately) await queries.touchToken(deps.db, bearer)
  return bearer
}

function challengeText(id: string, key: SshPublicKey, createdAt: Date): string {
  const lines = [`challenge=${id}`, `fingerprint=${key.fingerprint}`, `created_at=${createdAt.toISOString()}`]
  return `sub2api-playground ssh login\n${lines.join('\n')}\n`
}

function notRegistered(): Problem {
  return new Problem(404, 'not_registered', 'agents.not_registered')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
