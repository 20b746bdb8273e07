import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import path from 'node:path'
import { Failure } from './failure.ts'

/** A key that can sign in; its private part is read by OpenSSH only. */
export interface SshKey {
  /** Type and base64, as in a `.pub` file. */
  publicKey: string
  /** `SHA256:…` */
  fingerprint: string
  /** Its file; null for a key that only the agent holds. */
  file: string | null
}

const usualFiles = ['id_ed25519', 'id_ecdsa', 'id_rsa']
const types = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$/
// Long enough to touch a security key.
const PATIENCE_MS = 60_000

/** The keys to try, in order: the one named and no other, else the usual files and then the agent's. Throws `Failure`. */
export async function findKeys(named: string | null): Promise<SshKey[]> {
  if (named !== null) return [await readKeyFile(path.resolve(named.replace(/^~(?=\/)/, homedir())))]
  const keys: SshKey[] = []
  for (const name of usualFiles) {
    const key = await ifUsable(() => readKeyFile(path.join(homedir(), '.ssh', name)))
    if (key) keys.push(key)
  }
  for (const line of await listAgentLines()) {
    const key = await ifUsable(() => readLine(line, null))
    if (key && !keys.some(other => other.fingerprint === key.fingerprint)) keys.push(key)
  }
  if (keys.length > 0) return keys
  throw new Failure(
    `No SSH key was found: name one in SUB2API_SSH_KEY, have one in ~/.ssh (${usualFiles.join(', ')}), or load one into ssh-agent`,
  )
}

/** The armored SSHSIG over `text`. Throws `Failure`. */
export async function sign(key: SshKey, namespace: string, text: string): Promise<string> {
  if (key.file !== null) return signWith(key.file, key, namespace, text)
  const directory = await mkdtemp(path.join(tmpdir(), 'sub2api-mcp-'))
  try {
    const file = path.join(directory, 'key.pub')
    await writeFile(file, `${key.publicKey}\n`, { mode: 0o600 })
    return await signWith(file, key, namespace, text)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function signWith(file: string, key: SshKey, namespace: string, text: string): Promise<string> {
  const signed = await runOpenSsh('ssh-keygen', ['-Y', 'sign', '-f', file, '-n', namespace], text)
  if (signed.ok && signed.output.includes('BEGIN SSH SIGNATURE')) return signed.output
  const why = signed.complaint.includes('passphrase')
    ? 'it has a passphrase: load it with ssh-add first'
    : signed.complaint
  throw new Failure(`The SSH key ${key.file ?? key.fingerprint} could not sign: ${why}`)
}

/** A private key's file, or a `.pub` file whose private part is beside it or in the agent. */
async function readKeyFile(file: string): Promise<SshKey> {
  if (!(await stat(file).catch(() => null))?.isFile()) throw new Failure(`The SSH key ${file} does not exist`)
  if (file.endsWith('.pub')) return readLine(await readFile(file, 'utf8'), file)
  // The key itself is asked first: a .pub file may have been left behind by another.
  const derived = await runOpenSsh('ssh-keygen', ['-y', '-P', '', '-f', file])
  if (derived.ok) return readLine(derived.output, file)
  const line = await readFile(`${file}.pub`, 'utf8').catch(() => null)
  if (line === null) throw new Failure(`The SSH key ${file} cannot be read: ${derived.complaint}`)
  return readLine(line, file)
}

function readLine(line: string, file: string | null): SshKey {
  const [type = '', base64 = ''] = line.trim().split(/\s+/)
  if (!types.test(type) || !/^[A-Za-z0-9+/]+=*$/.test(base64)) {
    throw new Failure(`${file ?? 'what the ssh-agent offers'} is not an SSH key that can sign in`)
  }
  const digest = createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64')
  return { publicKey: `${type} ${base64}`, fingerprint: `SHA256:${digest.replace(/=+$/, '')}`, file }
}

async function listAgentLines(): Promise<string[]> {
  if (!process.env.SSH_AUTH_SOCK) return []
  const listed = await runOpenSsh('ssh-add', ['-L']).catch(() => null)
  return listed?.ok ? listed.output.split('\n').filter(Boolean) : []
}

async function ifUsable(read: () => SshKey | Promise<SshKey>): Promise<SshKey | null> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof Failure) return null
    throw error
  }
}

/** Never asks anybody for a passphrase: without one on its standard input, OpenSSH takes an empty one. */
function runOpenSsh(
  program: 'ssh-keygen' | 'ssh-add',
  args: string[],
  input = '',
): Promise<{ ok: boolean; output: string; complaint: string }> {
  const env = { ...process.env, LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never' }
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, timeout: PATIENCE_MS }, (error, output, complaints) => {
      if (error?.code === 'ENOENT') return reject(new Failure(`${program} was not found: install OpenSSH 8.1 or newer`))
      const complaint = complaints.trim().split('\n').at(-1)?.trim() || `${program} does not say why`
      resolve({ ok: !error, output, complaint })
    })
    // It may end without reading.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}
