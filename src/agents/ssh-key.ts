import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import type { Key } from 'sshpk'
import { loadSshpk } from './sshpk.ts'
import { MalformedWire, wireReader, wireString } from './wire.ts'

const keyTypes = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
] as const
type KeyType = (typeof keyTypes)[number]

export const longestKeyText = 16_384
const fewestRsaBits = 2048
const mostRsaBits = 16_384

export interface SshPublicKey {
  type: KeyType
  /** The key itself as RFC 4253 §6.6 writes it: what two keys are compared by. */
  blob: Buffer
  /** `SHA256:…`, as ssh-keygen prints it. */
  fingerprint: string
  comment: string
  /** The plain key, for sk- keys the one in the authenticator. */
  plain: Key
  keyObject: KeyObject
  /** Of sk- keys: what the authenticator signs for, usually `ssh:`. */
  application: string | null
}

type SshKeyProblem =
  | 'missing'
  | 'too_long'
  | 'private_key'
  | 'putty_file'
  | 'unreadable'
  | 'type_not_allowed'
  | 'too_weak'

export class SshKeyError extends Error {
  readonly problem: SshKeyProblem

  constructor(problem: SshKeyProblem, options?: ErrorOptions) {
    super(`not a usable SSH public key: ${problem}`, options)
    this.problem = problem
  }
}

/**
 * Reads a line of a `.pub` file: type, base64 and a comment that may be absent; or the same key as PuTTYgen saves it
 * (RFC 4716). Throws `SshKeyError`.
 */
export function parsePublicKey(text: string): SshPublicKey {
  if (text.trim() === '') throw new SshKeyError('missing')
  if (text.length > longestKeyText) throw new SshKeyError('too_long')
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) throw new SshKeyError('private_key')
  // The whole pair is in it, the private key too.
  if (/^PuTTY-User-Key-File-/m.test(text)) throw new SshKeyError('putty_file')
  if (text.trim().startsWith(SSH2_BEGIN)) return readPublicKey(dearmor(text))
  const [, type = '', base64 = '', comment = ''] = /^(\S+)[ \t]+(\S+)(?:[ \t]+(.*))?$/.exec(text.trim()) ?? []
  if (!/^[\w.@-]{3,64}$/.test(type)) throw new SshKeyError('unreadable')
  if (!isKeyType(type)) throw new SshKeyError('type_not_allowed')
  const blob = Buffer.from(base64, 'base64')
  if (blob.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) throw new SshKeyError('unreadable')
  const key = readPublicKey(blob)
  if (key.type !== type) throw new SshKeyError('unreadable')
  return { ...key, comment: comment.trim() }
}

const SSH2_BEGIN = '---- BEGIN SSH2 PUBLIC KEY ----'

/** The key inside, by RFC 4716 §3: headers, of which a backslash continues one in the next line, then base64. */
function dearmor(text: string): Buffer {
  const joined = text.trim().replaceAll(/\r\n?/g, '\n').replaceAll('\\\n', '')
  const [, body = ''] = /^---- BEGIN SSH2 PUBLIC KEY ----\n([\s\S]*)\n---- END SSH2 PUBLIC KEY ----$/.exec(joined) ?? []
  const base64 = body
    .split('\n')
    .filter(line => !line.includes(':'))
    .join('')
  const blob = Buffer.from(base64, 'base64')
  if (base64 === '' || blob.toString('base64') !== base64) throw new SshKeyError('unreadable')
  return blob
}

/** Reads a key as it is stored. Throws `SshKeyError`. */
export function readPublicKey(blob: Buffer): SshPublicKey {
  try {
    const { type, plainBlob, application } = dissect(blob)
    const plain = loadSshpk().parseKey(plainBlob, 'rfc4253')
    if (type === 'ssh-rsa' && (plain.size < fewestRsaBits || plain.size > mostRsaBits))
      throw new SshKeyError('too_weak')
    // Also checks what sshpk does not: that the point is on its curve.
    const keyObject = createPublicKey(plain.toBuffer('pkcs8'))
    return { type, blob, fingerprint: fingerprintOf(blob), comment: '', plain, keyObject, application }
  } catch (error) {
    if (error instanceof SshKeyError) throw error
    throw new SshKeyError('unreadable', { cause: error })
  }
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** Strict where sshpk is lenient: every field in its one legal form, and nothing behind the last. */
function dissect(blob: Buffer): { type: KeyType; plainBlob: Buffer; application: string | null } {
  const reader = wireReader(blob)
  const type = reader.text()
  if (!isKeyType(type)) throw new SshKeyError('type_not_allowed')
  let plainBlob = blob
  let application: string | null = null
  if (type === 'ssh-rsa') {
    const exponent = reader.mpint()
    if (exponent.length > 8 || exponent.at(-1)! % 2 === 0) throw new MalformedWire('a strange exponent')
    reader.mpint()
  } else if (type === 'ssh-ed25519' || type === 'sk-ssh-ed25519@openssh.com') {
    const point = reader.string()
    if (point.length !== 32) throw new MalformedWire('an ed25519 key has 32 bytes')
    plainBlob = Buffer.concat([wireString('ssh-ed25519'), wireString(point)])
  } else {
    const curve = reader.text()
    if (!type.endsWith(`-${curve}`) && !type.endsWith(`-${curve}@openssh.com`)) throw new MalformedWire('another curve')
    const point = reader.string()
    if (point[0] !== 0x04) throw new MalformedWire('not an uncompressed point')
    plainBlob = Buffer.concat([wireString(`ecdsa-sha2-${curve}`), wireString(curve), wireString(point)])
  }
  if (type.startsWith('sk-')) application = reader.text()
  reader.end()
  return { type, plainBlob, application }
}

function isKeyType(type: string): type is KeyType {
  return (keyTypes as readonly string[]).includes(type)
}
