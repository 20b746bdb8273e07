import { createHash, randomBytes } from 'node:crypto'
import type { Deps } from '../deps.ts'
import type { Caller } from '../gateway/client.ts'
import { Secret } from '../secrets/secret.ts'
import { Problem } from './problem.ts'
import { type Bearer, findBearer, insertChallenge, spendChallenge, touchToken } from './sign-in-queries.ts'
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
  const id = timeOrderedId()
  if (!(await insertChallenge(deps.db, key, sha256(id)))) throw notRegistered()
  return { id, message: challengeText(id, key) }
}

/**
 * Trades a signed challenge for a bearer token. The challenge is used up, whatever comes of it. Throws `Problem` 404
 * when no account has proved this key, 401 when the challenge or the signature is not valid.
 */
export async function signInWithKey(
  deps: Pick<Deps, 'db' | 'log'>,
  attempt: {
    key: SshPublicKey
    challengeId: string
    signature: string
    caller: Caller
    /** Counts the attempt, by whether the signature was the key's; throws when there have been too many. */
    count(isHolder: boolean): Promise<void>
  },
): Promise<{ token: Secret; sshKey: { id: string; userId: number; name: string } }> {
  const { key, challengeId, caller } = attempt
  const message = Buffer.from(challengeText(challengeId, key))
  const problem = verifySignature(attempt.signature, { message, namespace: NAMESPACE, key })
  await attempt.count(!problem)
  const token = new Secret(`ssh_${randomBytes(32).toString('base64url')}`)
  const sshKey = await spendChallenge(
    deps.db,
    key,
    { hash: sha256(challengeId), seconds: CHALLENGE_SECONDS },
    problem ? null : { hash: sha256(token.reveal()), seconds: TOKEN_SECONDS, caller },
  )
  if (!sshKey) throw notRegistered()
  if (!sshKey.challenged) throw new Problem(401, 'challenge_not_valid', 'agents.challenge_not_valid')
  if (problem) {
    deps.log.info({ sshKey: sshKey.id, problem }, 'an SSH signature was refused')
    throw new Problem(401, 'signature_not_valid', 'agents.signature_not_valid')
  }
  return { token, sshKey }
}

/** Who shows the token of this `Authorization`; null when it is absent, unknown, expired or revoked. */
export async function findBearerOf(deps: Pick<Deps, 'db'>, authorization: string | undefined): Promise<Bearer | null> {
  const [, token] = /^Bearer +(ssh_[\w-]{43})$/i.exec(authorization ?? '') ?? []
  if (!token) return null
  const bearer = await findBearer(deps.db, sha256(token))
  if (bearer && !bearer.usedLately) await touchToken(deps.db, bearer)
  return bearer
}

/** The text follows from the id, so that only the id's hash has to be kept. */
function challengeText(id: string, key: SshPublicKey): string {
  const createdAt = new Date(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16) || 0)
  const lines = [`challenge=${id}`, `fingerprint=${key.fingerprint}`, `created_at=${createdAt.toISOString()}`]
  return `sub2api-playground ssh login\n${lines.join('\n')}\n`
}

/** A UUID that begins with the time in milliseconds (version 7, RFC 9562 §5.7). */
function timeOrderedId(): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Date.now(), 0, 6)
  bytes[6] = (bytes[6]! & 0x0f) | 0x70
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

function notRegistered(): Problem {
  return new Problem(404, 'not_registered', 'agents.not_registered')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
