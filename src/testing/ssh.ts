import { spawn } from 'node:child_process'
import { createHash, createSign, generateKeyPairSync, type KeyObject, sign as signPlain } from 'node:crypto'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Somebody's SSH key pair. */
export interface SshPair {
  /** The line of the `.pub` file. */
  publicKey: string
  /** Path of the private key; empty for a software authenticator. */
  file: string
  /** Armored SSHSIG. */
  sign(message: string, namespace: string): Promise<string>
}

let folder: Promise<string> | undefined
let number = 0

/** A key made and used by the real ssh-keygen, e.g. `ed25519`, `rsa`, `ecdsa` with 384 `bits`. */
export async function sshKeygen(type: string, options: { bits?: number; comment?: string } = {}): Promise<SshPair> {
  folder ??= mkdtemp(path.join(tmpdir(), 'playground-ssh-')).then(directory => {
    // Not a hook of the test runner: the bench makes keys too, and is no test.
    process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
    return directory
  })
  const file = path.join(await folder, `id_${++number}`)
  const bits = options.bits ? ['-b', String(options.bits)] : []
  await run(['-q', '-t', type, ...bits, '-N', '', '-C', options.comment ?? 'someone@laptop', '-f', file], '')
  return {
    publicKey: (await readFile(`${file}.pub`, 'utf8')).trim(),
    file,
    sign: (message, namespace) => run(['-Y', 'sign', '-q', '-f', file, '-n', namespace], message),
  }
}

async function run(args: string[], input: string): Promise<string> {
  const child = spawn('ssh-keygen', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  // It may end without having read.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`ssh-keygen ${args.join(' ')} ended with ${code}`)
  return output
}

interface Authenticator extends SshPair {
  /** Flags of the next signatures: 1 touched, 4 PIN entered. */
  flags: number
}

/** What a security key does, in software; OpenSSH's PROTOCOL.u2f. */
export function softwareAuthenticator(
  type: 'sk-ssh-ed25519@openssh.com' | 'sk-ecdsa-sha2-nistp256@openssh.com',
): Authenticator {
  const application = 'ssh:'
  const isEd25519 = type.startsWith('sk-ssh')
  const pair = isEd25519 ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const jwk = pair.publicKey.export({ format: 'jwk' })
  const coordinates = [jwk.x, jwk.y].map(part => Buffer.from(part ?? '', 'base64url'))
  const point = isEd25519 ? [coordinates[0]!] : ['nistp256', Buffer.concat([Buffer.of(4), ...coordinates])]
  const blob = wire(type, ...point, application)
  let counter = 0
  const authenticator: Authenticator = {
    publicKey: `${type} ${blob.toString('base64')} yubi`,
    file: '',
    flags: 1,
    async sign(message, namespace) {
      const signed = signedBytes(message, namespace)
      const tail = Buffer.alloc(5)
      tail[0] = authenticator.flags
      tail.writeUInt32BE(++counter, 1)
      const data = Buffer.concat([sha256(application), tail, sha256(signed)])
      const raw = isEd25519 ? signPlain(null, data, pair.privateKey) : ecdsa(data, pair.privateKey)
      return armor(sshsig(blob, namespace, Buffer.concat([wire(type, raw), tail])))
    },
  }
  return authenticator
}

/** An ed25519 key that signs in this process: for many signatures a second. */
export function softwareKey(): SshPair {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const blob = wire('ssh-ed25519', Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
  return {
    publicKey: `ssh-ed25519 ${blob.toString('base64')} software`,
    file: '',
    async sign(message, namespace) {
      const raw = signPlain(null, signedBytes(message, namespace), privateKey)
      return armor(sshsig(blob, namespace, wire('ssh-ed25519', raw)))
    },
  }
}

/** An RSA key of any size, signing with any algorithm: also those that ssh-keygen refuses to use. */
export function crudeRsaKey(bits: number, algorithm: 'ssh-rsa' | 'rsa-sha2-256' | 'rsa-sha2-512'): SshPair {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits })
  const jwk = publicKey.export({ format: 'jwk' })
  const blob = wire('ssh-rsa', integer(Buffer.from(jwk.e!, 'base64url')), integer(Buffer.from(jwk.n!, 'base64url')))
  const hash = algorithm === 'ssh-rsa' ? 'sha1' : algorithm.replace('rsa-sha2-', 'sha')
  return {
    publicKey: `ssh-rsa ${blob.toString('base64')} crude`,
    file: '',
    async sign(message, namespace) {
      const raw = createSign(hash).update(signedBytes(message, namespace)).sign(privateKey)
      return armor(sshsig(blob, namespace, wire(algorithm, raw)))
    },
  }
}

export function armor(blob: Buffer): string {
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? []
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n')
}

export function unarmor(text: string): Buffer {
  return Buffer.from(text.replaceAll(/-----.*-----|\n/g, ''), 'base64')
}

function signedBytes(message: string, namespace: string): Buffer {
  return Buffer.concat([
    Buffer.from('SSHSIG'),
    wire(namespace, '', 'sha512', createHash('sha512').update(message).digest()),
  ])
}

function sshsig(key: Buffer, namespace: string, signature: Buffer): Buffer {
  return Buffer.concat([Buffer.from('SSHSIG\0\0\0\x01', 'latin1'), wire(key, namespace, '', 'sha512', signature)])
}

function wire(...parts: (string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map(part => {
      const bytes = Buffer.from(part)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(bytes.length)
      return Buffer.concat([length, bytes])
    }),
  )
}

function ecdsa(data: Buffer, key: KeyObject): Buffer {
  const raw = createSign('sha256').update(data).sign({ key, dsaEncoding: 'ieee-p1363' })
  return wire(integer(raw.subarray(0, 32)), integer(raw.subarray(32)))
}

function integer(bytes: Buffer): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const short = bytes.subarray(start)
  return short[0]! > 0x7f ? Buffer.concat([Buffer.of(0), short]) : short
}

function sha256(data: Buffer | string): Buffer {
  return createHash('sha256').update(data).digest()
}
