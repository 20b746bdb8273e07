import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { PROOF_NAMESPACE } from '../../src/agents/proof.ts'
import type { Emitted } from '../../src/testing/leaks.ts'
import { type SshPair, softwareKey } from '../../src/testing/ssh.ts'
import { type Visitor, visitor } from '../bench/visitor.ts'
import type { Random } from './random.ts'
import type { Torn } from './site.ts'

const API = '/api/playground/ssh'
/** What the mock gateway makes of them ends in many ways; most of the time it does as it is told. */
const tags = [
  '',
  '',
  '',
  '',
  '',
  '',
  '#fail-policy',
  '#fail-upstream',
  '#fail-503',
  '#fail-stream',
  '#fail-second',
  '#fail-end',
  '#fail-cut',
  '#fail-200',
  '#fail-garbage',
  '#half',
  '#gif',
  '#data-url',
  '#fewer',
  '#json',
  '#url',
  '#no-end',
  '#fail-proxy',
]

/** Somebody with a browser and a script, and what they have done so far. */
export interface Actor {
  email: string
  /** Adresses of things that are theirs. */
  own: { job: string[]; conversation: string[]; batch: string[] }
  visit(): Pick<Visitor, 'get' | 'post'>
  act(random: Random): Promise<void>
  /** A sign-in is lost with the answer that brings its next token: people sign in again. */
  comeBack(): Promise<void>
}

export const emailOf = (name: string) => `${name}@example.com`

export async function openActor(torn: Torn, name: string, seen: Emitted[]): Promise<Actor> {
  const email = emailOf(name)
  torn.mock.control.user(email, { balance: 1e6, concurrency: 8 })
  const site = torn.members.find(member => member.url && member.child)!.url
  const first = visitor(site)
  const signInAgain = () => first.post('/login', { email, password: 'any password will do' })
  await signInAgain()
  const key = /name="key_id" value="(\d+)"/.exec((await first.get('/account')).text)![1]!
  await first.post('/account/key', { key_id: key })
  const pair = await bind(torn, first, key)
  let token: string | null = null
  const own: Actor['own'] = { job: [], conversation: [], batch: [] }
  let wishes = 0
  const wish = (random: Random) => `${name} wish ${++wishes}. ${random.pick(tags)}`

  /** Any process that shows pages, with the same cookies. */
  function visit(): Pick<Visitor, 'get' | 'post'> {
    const sites = openSites(torn)
    const other = visitor(sites[wishes % Math.max(1, sites.length)] ?? site)
    const cookies = { Cookie: first.cookies() }
    return {
      get: (path, headers = {}) => other.get(path, { ...cookies, ...headers }),
      post: (path, form, headers = {}) => other.post(path, form, { ...cookies, ...headers }),
    }
  }

  async function post(path: string, form: Record<string, string>): Promise<string> {
    const answer = await visit().post(path, form)
    seen.push({ what: `post ${path}`, text: JSON.stringify(answer.headers) + answer.text })
    return answer.status === 303 ? String(answer.headers.location) : ''
  }

  /** Sent twice as often as not: whoever hears nothing presses again. */
  async function press(random: Random, path: string, form: Record<string, string>): Promise<string> {
    const twice = random.chance(0.5)
    try {
      const address = await post(path, form)
      return twice ? (await post(path, form)) || address : address
    } catch {
      return twice ? post(path, form).catch(() => '') : ''
    }
  }

  const deeds: Record<string, (random: Random) => Promise<void>> = {
    async create(random) {
      const form = {
        prompt: wish(random),
        submission: randomUUID(),
        n: String(1 + random.below(3)),
        size: random.pick(['auto', '1024x1024']),
      }
      const address = await press(random, '/images', form)
      if (address.startsWith('/images/')) own.job.push(address)
    },
    async batch(random) {
      const prompts = Array.from({ length: 2 + random.below(4) }, () => wish(random)).join('\n')
      const address = await press(random, '/images/batch', { prompts, submission: randomUUID(), step: 'start' })
      if (address.startsWith('/images/batches/')) own.batch.push(address)
    },
    async say(random) {
      const form = { text: wish(random), submission: randomUUID() }
      const old = random.chance(0.6) ? random.pick(own.conversation) : undefined
      const address = await press(random, old ? `${old}/messages` : '/chat', form)
      if (!old && address.startsWith('/chat/')) own.conversation.push(address.split('?')[0]!)
    },
    async script(random) {
      const site = openSites(torn)[0]
      if (!site) return
      token ??= await signIn(site, pair)
      const body = JSON.stringify({ prompt: wish(random), n: 1 + random.below(2) })
      const headers = { Authorization: `Bearer ${token}`, 'Idempotency-Key': randomUUID() }
      for (let times = random.chance(0.5) ? 2 : 1; times > 0; times--) {
        const answer = await fetch(`${site}${API}/tasks`, { method: 'POST', headers, body }).catch(() => null)
        if (answer) seen.push({ what: 'a task', text: await answer.text().catch(() => '') })
        if (answer?.status === 401) token = null
      }
    },
    async cancel(random) {
      if (own.job.length > 0) await post(`${random.pick(own.job.slice(-5))}/cancel`, {})
    },
    async retry(random) {
      if (own.job.length > 0)
        await press(random, `${random.pick(own.job.slice(-8))}/retry`, { submission: randomUUID() })
    },
    async look(random) {
      const page = await visit().get(
        random.pick(['/images', '/library', '/chat', '/account', ...own.job.slice(-3), ...own.conversation.slice(-3)]),
      )
      seen.push({ what: 'a page', text: page.text })
    },
  }
  const often = [
    'create',
    'create',
    'create',
    'batch',
    'say',
    'say',
    'script',
    'cancel',
    'retry',
    'look',
    'look',
  ] as const

  return {
    email,
    own,
    visit,
    act: random => deeds[random.pick(often)]!(random),
    async comeBack() {
      const { status } = await visit().get('/account')
      if (status === 303) await signInAgain()
    },
  }
}

function openSites(torn: Torn): string[] {
  return torn.members.filter(({ role, child, frozen }) => role !== 'worker' && child && !frozen).map(({ url }) => url)
}

async function bind(torn: Torn, person: Visitor, keyId: string): Promise<SshPair> {
  const key = softwareKey()
  const bound = await person.post('/agents', { name: 'torture', public_key: key.publicKey, key_id: keyId })
  const id = String(bound.headers.location).split('/').at(-1)
  const { proofText } = await torn.db.one(
    z.object({ proofText: z.string() }),
    'select proof_text from ssh_keys where id = $1',
    [id],
  )
  await person.post(`/agents/${id}/prove`, { signature: await key.sign(proofText, PROOF_NAMESPACE) })
  return key
}

/** A bearer token; null when nobody answers. */
async function signIn(site: string, { publicKey, sign }: SshPair): Promise<string | null> {
  const ask = async (path: string, body: object) => {
    const answer = await fetch(`${site}${API}/${path}`, { method: 'POST', body: JSON.stringify(body) })
    return ((await answer.json()) as { data: Record<string, string> }).data
  }
  try {
    const { challenge_id, message, namespace } = await ask('challenge', { public_key: publicKey })
    const signature = await sign(message!, namespace!)
    return (await ask('login', { public_key: publicKey, challenge_id, signature })).access_token ?? null
  } catch {
    return null
  }
}
