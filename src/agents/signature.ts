import { createHash, verify } from 'node:crypto'
import type { SshPublicKey } from './ssh-key.ts'
import { loadSshpk } from './sshpk.ts'
import { MalformedWire, wireReader, wireString } from './wire.ts'

export const longestSignatureText = 16_384

/** Why a signature proves nothing: a closed list. */
type SignatureProblem =
  | 'malformed'
  | 'other_namespace'
  | 'other_key'
  | 'algorithm_not_allowed'
  | 'not_touched'
  | 'not_valid'

export interface Expected {
  /** The exact bytes that had to be signed. */
  message: Buffer
  namespace: string
  key: SshPublicKey
}

// What RSA and ECDSA hash with; ed25519 has its own. SHA-1 (`ssh-rsa`) is not among them.
const algorithms: Record<string, { keyType: string; hash: string }> = {
  'ssh-ed25519': { keyType: 'ssh-ed25519', hash: '' },
  'rsa-sha2-256': { keyType: 'ssh-rsa', hash: 'sha256' },
  'rsa-sha2-512': { keyType: 'ssh-rsa', hash: 'sha512' },
  'ecdsa-sha2-nistp256': { keyType: 'ecdsa-sha2-nistp256', hash: 'sha256' },
  'ecdsa-sha2-nistp384': { keyType: 'ecdsa-sha2-nistp384', hash: 'sha384' },
  'ecdsa-sha2-nistp521': { keyType: 'ecdsa-sha2-nistp521', hash: 'sha512' },
  'sk-ssh-ed25519@openssh.com': { keyType: 'sk-ssh-ed25519@openssh.com', hash: '' },
  'sk-ecdsa-sha2-nistp256@openssh.com': { keyType: 'sk-ecdsa-sha2-nistp256@openssh.com', hash: 'sha256' },
}
const userPresent = 0x01

/**
 * Verifies what `ssh-keygen -Y sign` wrote (SSHSIG, OpenSSH's PROTOCOL.sshsig; sk- keys: PROTOCOL.u2f). Null when the
 * signature is the key's over exactly this message and namespace. An sk- key must have been touched.
 */
export function verifySignature(armored: string, expected: Expected): SignatureProblem | null {
  try {
    const envelope = readEnvelope(unarmor(armored))
    if (!envelope.key.equals(expected.key.blob)) return 'other_key'
    if (envelope.namespace !== expected.namespace) return 'other_namespace'
    const digest = createHash(envelope.hash).update(expected.message).digest()
    const signed = Buffer.concat([
      Buffer.from('SSHSIG'),
      wireString(envelope.namespace),
      wireString(''),
      wireString(envelope.hash),
      wireString(digest),
    ])
    return verifyBlob(envelope.signature, signed, expected.key)
  } catch (error) {
    if (error instanceof MalformedWire) return 'malformed'
    throw error
  }
}

function readEnvelope(blob: Buffer) {
  const reader = wireReader(blob)
  if (reader.bytes(6).toString('latin1') !== 'SSHSIG') throw new MalformedWire('no SSHSIG')
  if (reader.uint32() !== 1) throw new MalformedWire('another version')
  const key = reader.string()
  const namespace = reader.text()
  if (reader.string().length > 0) throw new MalformedWire('the reserved field is used')
  const hash = reader.text()
  if (hash !== 'sha256' && hash !== 'sha512') throw new MalformedWire('another hash')
  const signature = reader.string()
  reader.end()
  return { key, namespace, hash, signature }
}

function verifyBlob(blob: Buffer, signed: Buffer, key: SshPublicKey): SignatureProblem | null {
  const reader = wireReader(blob)
  const algorithm = reader.text()
  const rule = Object.hasOwn(algorithms, algorithm) ? algorithms[algorithm]! : null
  if (rule?.keyType !== key.type) return 'algorithm_not_allowed'
  const raw = reader.string()
  let data = signed
  if (key.application !== null) {
    const flags = reader.byte()
    if (!(flags & userPresent)) return 'not_touched'
    data = Buffer.concat([sha256(key.application), Buffer.of(flags), reader.bytes(4), sha256(signed)])
  }
  reader.end()
  return isValid(raw, data, key, algorithm, rule.hash) ? null : 'not_valid'
}

function isValid(raw: Buffer, data: Buffer, key: SshPublicKey, algorithm: string, hash: string): boolean {
  if (key.plain.type === 'ed25519') {
    // sshpk's own ed25519 is tweetnacl: 6 ms instead of 0.1, and it takes signatures with an S that is not reduced.
    return raw.length === 64 && verify(null, data, key.keyObject, raw)
  }
  if (key.plain.type === 'ecdsa') assertTwoIntegers(raw)
  const plainAlgorithm = algorithm.replace(/^sk-(.+)@openssh\.com$/, '$1')
  const blob = Buffer.concat([wireString(plainAlgorithm), wireString(raw)])
  const verifier = key.plain.createVerify(hash)
  verifier.update(data)
  return verifier.verify(loadSshpk().parseSignature(blob, key.plain.type, 'ssh'))
}

function assertTwoIntegers(raw: Buffer): void {
  const reader = wireReader(raw)
  reader.mpint()
  reader.mpint()
  reader.end()
}

/**
 * The bytes inside the armor. One signature has one text, give or take the line length, the last line feed and CRLF:
 * what can be altered without notice is not a signature.
 */
function unarmor(text: string): Buffer {
  if (text.length > longestSignatureText) throw new MalformedWire('too long')
  const plain = /\r\n/.test(text) && !/[^\r]\n/.test(text) ? text.replaceAll('\r\n', '\n') : text
  const body = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n?$/.exec(plain)?.[1]
  if (body === undefined) throw new MalformedWire('no armor')
  const lines = body.split('\n')
  const width = lines[0]!.length
  const last = lines.pop()!
  if (last === '' || last.length > width || lines.some(line => line.length !== width)) throw new MalformedWire('ragged')
  const base64 = body.replaceAll('\n', '')
  const bytes = Buffer.from(base64, 'base64')
  if (bytes.toString('base64') !== base64) throw new MalformedWire('not canonical base64')
  return bytes
}

function sha256(data: Buffer | string): Buffer {
  return createHash('sha256').update(data).digest()
}
