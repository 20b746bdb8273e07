import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import { Secret } from './secret.ts'

/**
 * Seals credentials for storage: AES-256-GCM with a random 96-bit nonce, purpose and user bound as additional data,
 * so that a sealed text moved to another column or another person's row does not open.
 *
 * Layout: `1 | key id (4) | nonce (12) | ciphertext | tag (16)`.
 */
export interface Sealer {
  seal(purpose: string, userId: number, secret: Secret): Buffer
  /** Throws `SealBroken` when it was sealed for something else, altered, or under a secret that is no longer given. */
  open(purpose: string, userId: number, sealed: Buffer): Secret
  /** The same under the first secret. Throws like `open`. */
  reseal(purpose: string, userId: number, sealed: Buffer): Buffer
  /** Key ids of the secrets that only open: bytes 2 to 5 of what they sealed. */
  older: readonly Buffer[]
  /** Of the secret that seals. */
  current: Buffer
}

export class SealBroken extends Error {
  constructor(purpose: string, options?: ErrorOptions) {
    super(`a sealed ${purpose} does not open`, options)
  }
}

const VERSION = 1
const HEADER = 1 + 4 + 12
const TAG = 16

/** `secrets`: the first seals, all of them open. Keys are derived with HKDF-SHA-256 (RFC 5869). */
export function createSealer(secrets: readonly string[]): Sealer {
  const keys = secrets.map(deriveKey)
  const current = keys[0]
  if (!current) throw new Error('a sealer needs at least one secret')

  const sealer: Sealer = {
    seal(purpose, userId, secret) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', current.key, nonce).setAAD(boundTo(purpose, userId))
      const body = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()])
      return Buffer.concat([Buffer.of(VERSION), current.id, nonce, body, cipher.getAuthTag()])
    },
    open(purpose, userId, sealed) {
      const key = keys.find(({ id }) => id.equals(sealed.subarray(1, 5)))
      if (sealed[0] !== VERSION || sealed.length < HEADER + TAG || !key) throw new SealBroken(purpose)
      const decipher = createDecipheriv('aes-256-gcm', key.key, sealed.subarray(5, HEADER))
        .setAAD(boundTo(purpose, userId))
        .setAuthTag(sealed.subarray(-TAG))
      try {
        const body = Buffer.concat([decipher.update(sealed.subarray(HEADER, -TAG)), decipher.final()])
        return new Secret(body.toString('utf8'))
      } catch (cause) {
        throw new SealBroken(purpose, { cause })
      }
    },
    reseal: (purpose, userId, sealed) => sealer.seal(purpose, userId, sealer.open(purpose, userId, sealed)),
    older: keys.slice(1).map(({ id }) => id),
    current: current.id,
  }
  return sealer
}

function deriveKey(secret: string): { id: Buffer; key: Buffer } {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'sub2api-playground seal v1', 32))
  return { key, id: createHash('sha256').update('id').update(key).digest().subarray(0, 4) }
}

function boundTo(purpose: string, userId: number): Buffer {
  return Buffer.from(`${purpose}:${userId}`)
}
