import { randomUUID } from 'node:crypto'
import { sealBindingKey } from '../account/key.ts'
import { newProof } from '../agents/proof.ts'
import { insertMovedKey } from '../agents/queries.ts'
import { parsePublicKey, SshKeyError } from '../agents/ssh-key.ts'
import { findEmail } from '../session/queries.ts'
import { type MoveDeps, NotTaken } from './pictures.ts'
import type { Report } from './report.ts'
import type { SourceKey } from './source.ts'

/**
 * Binds an SSH key once more, for its owner to prove: nobody did there. The API key that lies beside it in clear is sealed.
 * Throws `NotTaken`.
 */
export async function takeKey(deps: MoveDeps, key: SourceKey, report: Report): Promise<void> {
  const { db, config } = deps
  const email = await findEmail(db, key.userId)
  if (!config.publicOrigin) throw new NotTaken('say PLAYGROUND_PUBLIC_ORIGIN: what its owner signs names the site')
  if (!key.apiKey || key.apiKeyId === null) throw new NotTaken('has no API key')
  if (!email) throw new NotTaken('its owner has to sign in here first: what they sign names their account')
  try {
    const parsed = parsePublicKey(key.publicKey)
    const { nonce, text } = newProof(config.publicOrigin, email, parsed)
    const { type, blob, fingerprint } = parsed
    const name = key.name.trim().slice(0, 60).toWellFormed() || parsed.comment || 'SSH'
    const id = randomUUID()
    const sealed = sealBindingKey(deps, key.userId, id, key.apiKey)
    const facts = { id, userId: key.userId, name, type, blob, fingerprint }
    const isNew = await insertMovedKey(db, {
      ...facts,
      keyId: key.apiKeyId,
      keyName: key.apiKeyName || '?',
      sealed,
      nonce,
      text,
    })
    report[isNew ? 'taken' : 'there']('keys')
  } catch (error) {
    if (error instanceof SshKeyError) throw new NotTaken(`no usable SSH key: ${error.problem}`, '', { cause: error })
    throw error
  }
}
