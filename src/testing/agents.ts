import { randomUUID } from 'node:crypto'
import { sealBindingKey } from '../account/key.ts'
import { insertSshKey, proveSshKey } from '../agents/queries.ts'
import { parsePublicKey } from '../agents/ssh-key.ts'
import { createSealer } from '../secrets/sealer.ts'
import { Secret } from '../secrets/secret.ts'
import type { Person } from './people.ts'
import type { TestApp } from './server.ts'
import { type SshPair, sshKeygen } from './ssh.ts'

/** An SSH key that signs in for this person; binding and proof are taken for granted. */
export async function boundKey(app: TestApp, person: Person, name = 'laptop', pair?: SshPair): Promise<SshPair> {
  const made = pair ?? (await sshKeygen('ed25519'))
  const key = parsePublicKey(made.publicKey)
  const { rows } = await app.db.pool.query<{ id: number }>('select id from users where email = $1', [person.email])
  const userId = Number(rows[0]!.id)
  const [apiKey] = app.mock.control.keysOf(person.email)
  const id = randomUUID()
  const sealed = sealBindingKey(
    { sealer: createSealer(app.config.sessionSecrets) },
    userId,
    id,
    new Secret(apiKey!.key),
  )
  const prices = { '1K': 0.134, '2K': 0.201, '4K': 0.268 }
  const state = { problem: null, expiresAt: null, isPlan: false, windows: [], rate: 1 }
  const pending = await insertSshKey(app.db, {
    id,
    userId,
    name,
    type: key.type,
    blob: key.blob,
    fingerprint: key.fingerprint,
    key: { id: apiKey!.id, name: apiKey!.name, group: null, allowsImages: true, prices, state, sealed },
    proofNonce: id,
    proofText: id,
  })
  await proveSshKey(app.db, pending!)
  return made
}

/** A bearer token, by signing in with this key. */
export async function tokenOf(app: TestApp, { publicKey, sign }: SshPair): Promise<string> {
  const ask = async (path: string, body: object) => {
    const answer = await fetch(`${app.url}/api/playground/ssh/${path}`, { method: 'POST', body: JSON.stringify(body) })
    return ((await answer.json()) as { data: Record<string, string> }).data
  }
  const { challenge_id, message, namespace } = await ask('challenge', { public_key: publicKey })
  const signature = await sign(message!, namespace!)
  return (await ask('login', { public_key: publicKey, challenge_id, signature })).access_token!
}

/** The key itself, as its row has it. */
export function blobOf(pair: SshPair): Buffer {
  return Buffer.from(pair.publicKey.split(' ')[1]!, 'base64')
}

/** As if twelve hours had gone by. */
export async function expireTokensOf(app: TestApp, pair: SshPair): Promise<void> {
  const sql = `update ssh_tokens set expires_at = now() - interval '1 second'
     where ssh_key_id in (select id from ssh_keys where blob = $1)`
  await app.db.pool.query(sql, [blobOf(pair)])
}
