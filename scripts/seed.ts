import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Visitor, visitor } from './bench/visitor.ts'

const EMAIL = 'alice@example.com'

const subjects = [
  'a lighthouse in a storm, woodcut',
  'two foxes asleep under a red blanket',
  'a glass teapot on a windowsill at dawn',
  'an old tram climbing a steep street, gouache',
  'a paper boat in a flooded library',
  'isometric greenhouse full of ferns',
  'portrait of a beekeeper, Dutch light',
  '雪夜里的面馆，暖黄的灯光',
  '水墨风格的江南小桥',
  'cross-section of a tree house, labelled',
  'a very long prompt that goes on to say what the light does on the water, how the boats lie, which colours the houses have, and that nobody is to be seen anywhere',
]
const sizes = ['1024x1024', '1536x1024', '1024x1536', 'auto']
const qualities = ['low', 'medium', 'high']
/** Tags of the mock gateway: each ends in a way of its own. */
const endings = [
  '#fail-policy',
  '#fail-text',
  '#fail-upstream',
  '#fail-balance',
  '#fail-second',
  '#fail-cut',
  '#fail-end',
  '#fail-garbage',
  '#half',
  '#gif',
  '#fewer',
  '#wrong-size',
  '#no-usage',
]
const talks: readonly (readonly string[])[] = [
  ['What is a good paper for linocut prints?', 'And which ink?', 'How long does it dry?'],
  ['Write a quicksort in TypeScript', 'Now without recursion'],
  ['用三句话介绍西湖', '再写一首关于它的短诗'],
  ['Draw a picture of a paper crane on a desk'],
  ['Compare three ways to store pictures, as a table'],
  ['#fail-upstream Tell me something'],
]

/**
 * Fills a playground that runs on a mock gateway with a hundred pictures, conversations and jobs in every state, for whoever
 * works on its screens. Returns the e-mail of the person who has it all; any password will do.
 */
export async function seed(site: string, gateway: string): Promise<string> {
  await tellMock(gateway, 'settings', { latencyMs: 0, pictures: 'scene' })
  await tellMock(gateway, 'user', { email: EMAIL, balance: 100 })
  const person = await signIn(site)
  for (let made = 0; made < 100; made += 4) {
    await create(person, subjects[(made / 4) % subjects.length]!, {
      n: '4',
      size: sizes[(made / 4) % sizes.length]!,
      quality: qualities[made % 3]!,
    })
  }
  for (const tag of endings)
    await create(person, `${subjects[endings.indexOf(tag) % subjects.length]} ${tag}`, { n: '2' })
  await settled(person)
  for (const messages of talks) await talk(person, messages)
  await person.post('/images/batch', {
    prompts: subjects.slice(0, 6).join('\n'),
    submission: randomUUID(),
    step: 'start',
  })
  await settled(person)
  await arrange(person)

  // These stay: one that was called off, as many as may run, and one that waits.
  await tellMock(gateway, 'settings', { latencyMs: 6000 })
  const off = await create(person, 'a picture that nobody waited for #hang')
  await delay(500)
  await person.post(`${off}/cancel`, {})
  for (let each = 0; each < 5; each++) await create(person, `${subjects[each]} #hang`)
  return EMAIL
}

async function signIn(site: string): Promise<Visitor> {
  const person = visitor(site)
  await person.post('/login', { email: EMAIL, password: 'any password will do' })
  const key = /name="key_id" value="(\d+)"/.exec((await person.get('/account')).text)?.[1]
  if (!key) throw new Error('the account page offers no key')
  await person.post('/account/key', { key_id: key })
  return person
}

/** The address of the job. */
async function create(person: Visitor, prompt: string, fields: Record<string, string> = {}): Promise<string> {
  const { status, headers } = await person.post('/images', { prompt, submission: randomUUID(), ...fields })
  if (status !== 303) throw new Error(`${prompt}: ${status}`)
  return String(headers.location)
}

async function settled(person: Visitor): Promise<void> {
  while (/state-(queued|running)/.test((await person.get('/images')).text)) await delay(300)
}

async function talk(person: Visitor, messages: readonly string[]): Promise<void> {
  let address = '/chat'
  for (const text of messages) {
    const { headers } = await person.post(address === '/chat' ? address : `${address}/messages`, {
      text,
      submission: randomUUID(),
    })
    address = String(headers.location)
    while (/state-(queued|running|waiting)/.test((await person.get(address)).text)) await delay(200)
  }
}

/** A few favourites, and a few in the trash. */
async function arrange(person: Visitor): Promise<void> {
  const page = (await person.get('/library')).text
  const pictures = [...new Set([...page.matchAll(/\/library\/([0-9a-f-]{36})/g)].map(([, id]) => id!))]
  for (const id of pictures.slice(0, 6)) await person.post(`/library/${id}/favourite`, { favourite: 'on' })
  for (const id of pictures.slice(8, 11)) await person.post(`/library/${id}/delete`, {})
}

async function tellMock(gateway: string, what: string, facts: Record<string, unknown>): Promise<void> {
  const answer = await fetch(`${gateway}/__mock/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(facts),
  })
  if (!answer.ok) throw new Error(`the mock gateway refused ${what}: ${await answer.text()}`)
}
