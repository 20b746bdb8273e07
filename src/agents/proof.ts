import { randomBytes, randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { Problem } from './problem.ts'
import * as queries from './queries.ts'
import { verifySignature } from './signature.ts'
import { readPublicKey, type SshPublicKey } from './ssh-key.ts'

/** Not that of a sign-in: a signature made for one is worth nothing for the other. */
export const PROOF_NAMESPACE = 'sub2api-playground-bind'

/**
 * The text that a person signs to bind their key. It names this site and the account, so that nobody can be led to
 * prove a key for somebody else.
 */
export function newProof(origin: string, email: string, key: SshPublicKey): { nonce: string; text: string } {
  // One line each, whatever the gateway lets people be called.
  const account = email.replaceAll(/\p{C}/gu, '')
  const lines = [`site=${origin}`, `account=${account}`, `fingerprint=${key.fingerprint}`, `nonce=${randomUUID()}`]
  return {
    nonce: randomBytes(24).toString('base64url'),
    text: `sub2api-playground: I bind this SSH key to my account\n${lines.join('\n')}\n`,
  }
}

/** The one line for a shell that signs the text and sends the signature back. */
export function proofCommand(origin: string, type: string, text: string, nonce: string): string {
  const lines = text.trimEnd().split('\n').map(quote).join(' ')
  const sign = `ssh-keygen -Y sign -f ${usualFile(type)} -n ${PROOF_NAMESPACE}`
  const address = quote(`${origin}/api/playground/ssh/proofs/${nonce}`)
  return `printf '%s\\n' ${lines} | ${sign} | curl -sS --data-binary @- ${address}`
}

/** Where ssh-keygen puts the private key of this type unless told otherwise. */
export function usualFile(type: string): string {
  const kind = type.includes('ed25519') ? 'ed25519' : type.includes('ecdsa') ? 'ecdsa' : 'rsa'
  return `~/.ssh/id_${kind}${type.startsWith('sk-') ? '_sk' : ''}`
}

/**
 * Binds the pending key with this one-time address, if the signature is its own over the text shown. Throws `Problem`
 * 404 for an address that is not, or no longer, there, 401 for a signature that does not verify, and 409 when another
 * account has proved this key.
 */
export async function prove(deps: Pick<Deps, 'db' | 'log'>, nonce: string, signature: string): Promise<queries.SshKey> {
  const pending = /^[\w-]{32}$/.test(nonce) ? await queries.findPendingByNonce(deps.db, nonce) : null
  if (!pending?.proofText) throw new Problem(404, 'not_found', 'agents.proof.gone')
  const key = readPublicKey(pending.blob)
  const problems = savedForms(pending.proofText).map(text =>
    verifySignature(signature, { message: Buffer.from(text), namespace: PROOF_NAMESPACE, key }),
  )
  if (!problems.includes(null)) {
    const [problem] = problems
    deps.log.info({ sshKey: pending.id, problem }, 'a proof of an SSH key was refused')
    throw new Problem(401, 'signature_not_valid', 'agents.signature_not_valid')
  }
  try {
    const proved = await queries.proveSshKey(deps.db, pending)
    if (!proved) throw new Problem(404, 'not_found', 'agents.proof.gone')
    return proved
  } catch (error) {
    if ((error as { code?: string }).code !== '23505') throw error
    throw new Problem(409, 'idempotency_conflict', 'agents.proof.taken')
  }
}

/** The text, and what tools make of it when they save it: with the line ends of Windows, without the last line feed. */
function savedForms(text: string): string[] {
  const ofWindows = text.replaceAll('\n', '\r\n')
  return [text, text.replace(/\n$/, ''), ofWindows, ofWindows.replace(/\r\n$/, '')]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
