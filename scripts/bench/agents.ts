import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import sharp from 'sharp'
import { z } from 'zod'
import { PROOF_NAMESPACE } from '../../src/agents/proof.ts'
import { type SshPair, softwareKey } from '../../src/testing/ssh.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Process, Site } from './site.ts'

const API = '/api/playground/ssh'
const SIGN_IN_MS = 4
const SIGN_INS_PER_SECOND = 400
const AT_ONCE = 8
const BODY_MB = 80
const PROCESSES = 5

/** Sign-ins with an SSH key, and what one request with 64 MiB of references takes of memory. Linux only. */
export async function agents(site: Site): Promise<Figure[]> {
  const web = await site.run('web')
  const key = await bindKey(site, web)
  for (let each = 0; each < 100; each++) await signInWithKey(web, key)
  const times: number[] = []
  for (let each = 0; each < 300; each++) times.push((await signInWithKey(web, key)).ms)
  const p50 = median(times)

  const count = 1600
  const started = performance.now()
  let left = count
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (left-- > 0) await signInWithKey(web, key)
    }),
  )
  const rate = count / ((performance.now() - started) / 1000)
  await web.stop()
  const more: number[] = []
  for (let each = 0; each < PROCESSES; each++) {
    // A process that has done nothing yet has nothing to give back meanwhile.
    const fresh = await site.run('web')
    more.push(await memoryOfLargeTask(fresh, (await signInWithKey(fresh, key)).token))
    await fresh.stop()
  }
  return [
    {
      name: 'sign-in with an ed25519 key, p50 of the login',
      target: `≤ ${SIGN_IN_MS} ms`,
      measured: `${p50.toFixed(1)} ms`,
      met: p50 <= SIGN_IN_MS,
      value: p50,
    },
    {
      name: `sign-ins a second, ${AT_ONCE} at once, challenge and login`,
      target: `≥ ${SIGN_INS_PER_SECOND} /s`,
      measured: `${rate.toFixed(0)} /s`,
      met: rate >= SIGN_INS_PER_SECOND,
      value: rate,
      more: true,
    },
    {
      name: `memory of the web process for one task of 63 MB, the most in ${PROCESSES} processes`,
      target: `≤ +${BODY_MB} MB`,
      measured: `+${Math.max(...more).toFixed(0)} MB (least: +${Math.min(...more).toFixed(0)})`,
      met: Math.max(...more) <= BODY_MB,
    },
  ]
}

export async function bindKey(site: Site, web: Process): Promise<SshPair> {
  const person = await site.signIn(web, 'agent')
  const key = softwareKey()
  const keyId = /<option value="(\d+)"/.exec((await person.get('/agents')).text)?.[1] ?? ''
  const bound = await person.post('/agents', { name: 'bench', public_key: key.publicKey, key_id: keyId })
  if (bound.status !== 303) throw new Error(`binding answered ${bound.status}`)
  const { proofText } = await site.db.one(
    z.object({ proofText: z.string() }),
    'select proof_text from ssh_keys where proved_at is null order by created_at desc limit 1',
  )
  const signature = await key.sign(proofText, PROOF_NAMESPACE)
  const proved = await person.post(`${String(bound.headers.location)}/prove`, { signature })
  if (proved.status !== 303) throw new Error(`the proof answered ${proved.status}`)
  return key
}

const Challenge = z.object({ data: z.object({ challenge_id: z.string(), message: z.string(), namespace: z.string() }) })
const Login = z.object({ data: z.object({ access_token: z.string() }) })

export async function signInWithKey(web: Process, key: SshPair): Promise<{ token: string; ms: number }> {
  const { data } = Challenge.parse(await askApi(web, '/challenge', { public_key: key.publicKey }))
  const signature = await key.sign(data.message, data.namespace)
  const answer = { public_key: key.publicKey, challenge_id: data.challenge_id, signature }
  const started = performance.now()
  const login = Login.parse(await askApi(web, '/login', answer))
  return { token: login.data.access_token, ms: performance.now() - started }
}

/** Four pictures of noise, which nothing makes smaller. */
async function memoryOfLargeTask(web: Process, token: string): Promise<number> {
  // The library that decodes pictures is loaded with the first one.
  await askApi(web, '/tasks', { prompt: 'small', images: [{ data_url: await noise(300) }] }, token)
  const images = await Promise.all([2000, 1990, 1980, 1970].map(noise))
  const body = JSON.stringify({ prompt: 'large', images: images.map(data => ({ data_url: data })) })
  const before = await residentKb(web, 'VmRSS')
  // From here on the peak is counted anew.
  await writeFile(`/proc/${web.pid}/clear_refs`, '5')
  await askApi(web, '/tasks', body, token)
  return ((await residentKb(web, 'VmHWM')) - before) / 1024
}

async function noise(width: number): Promise<string> {
  const raw = { width, height: 1900, channels: 3 } as const
  const png = await sharp(randomBytes(width * 1900 * 3), { raw })
    .png({ compressionLevel: 1 })
    .toBuffer()
  return `data:image/png;base64,${png.toString('base64')}`
}

export async function askApi(web: Process, path: string, body: unknown, token = ''): Promise<unknown> {
  const response = await fetch(web.url + API + path, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    ...(body !== undefined && { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

async function residentKb({ pid }: Process, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
}
