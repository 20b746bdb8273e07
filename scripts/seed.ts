import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Visitor, visitor } from './bench/visitor.ts'

const EMAIL = 'alice@example.com'
const OTHER = 'lin@example.com'

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
  await tellMock(gateway, 'user', { email: EMAIL, balance: 1000 })
  const person = await signIn(site, EMAIL)
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
  await show(person, 'Alice', await picturesOf(person))
  await fillGallery(site, gateway)

  // These stay: one that was called off, as many as may run, and one that waits.
  await tellMock(gateway, 'settings', { latencyMs: 6000 })
  const off = await create(person, 'a picture that nobody waited for #hang')
  await delay(500)
  await person.post(`${off}/cancel`, {})
  for (let each = 0; each < 5; each++) await create(person, `${subjects[each]} #hang`)
  return EMAIL
}

async function signIn(site: string, email: string): Promise<Visitor> {
  const person = visitor(site)
  await person.post('/login', { email, password: 'any password will do' })
  // The other one has a quota, which all of this would use up; this one may have been chosen at the sign-in.
  const key = /name="key_id" value="(\d+)"[^>]* aria-label="[^"]*\bMain\b/.exec(
    (await person.get('/account')).text,
  )?.[1]
  if (key) await person.post('/account/key', { key_id: key })
  return person
}

/** The address of the job. */
async function create(person: Visitor, prompt: string, fields: Record<string, string> = {}): Promise<string> {
  const { status, headers, text } = await person.post('/images', { prompt, submission: randomUUID(), ...fields })
  if (status !== 303) throw new Error(`${prompt}: ${status} ${/class="field-error".*?<\/p>/s.exec(text)?.[0] ?? ''}`)
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

/** A few favourites, some filed and tagged, a search that is kept, a ZIP file, and a few in the trash. */
async function arrange(person: Visitor): Promise<void> {
  const pictures = await picturesOf(person)
  const change = (ids: readonly string[], fields: Record<string, string>) =>
    person.post('/library/selection', { id: ids.join(','), back: '/library', ...fields })
  await change(pictures.slice(0, 6), { act: 'favourite' })
  await change(pictures.slice(0, 20), { act: 'move', folder: 'Calendar 2027' })
  await change(pictures.slice(20, 32), { act: 'move', folder: '江南' })
  await change(pictures.slice(4, 16), { act: 'tag', tags: 'print, blue hour' })
  await change(pictures.slice(24, 36), { act: 'tag', tags: '灯塔, print' })
  await person.post('/library/folders', { name: 'Foxes', query: 'q=foxes' })
  await person.post('/exports', { id: pictures.slice(0, 4).join(',') })
  await change(pictures.slice(8, 11), { act: 'delete' })
}

/** Somebody else shows pictures too, likes some, and reports one. */
async function fillGallery(site: string, gateway: string): Promise<void> {
  await tellMock(gateway, 'user', { email: OTHER, balance: 100 })
  const other = await signIn(site, OTHER)
  for (const subject of subjects.slice(0, 6)) await create(other, subject, { n: '2', size: sizes[subject.length % 3]! })
  await settled(other)
  await show(other, '林夕', await picturesOf(other))
  const shown = [...(await other.get('/gallery')).text.matchAll(/id="exhibit-([0-9a-f-]{36})"/g)].map(([, id]) => id!)
  for (const id of shown.slice(-7)) await other.post(`/gallery/${id}/like`, { like: 'on' })
  await other.post(`/gallery/${shown.at(-1)}/report`, { reason: 'rights', words: 'This is my boat.' })
}

/** Some in the gallery, with their prompts or without, and one by a link. */
async function show(person: Visitor, name: string, pictures: readonly string[]): Promise<void> {
  for (const [index, picture] of pictures.slice(0, 18).entries()) {
    await person.post('/gallery/share', {
      picture,
      name,
      where: index === 0 ? 'link' : 'gallery',
      agreed: 'on',
      ...(index % 4 !== 3 && { prompt: 'on', settings: 'on' }),
    })
  }
}

async function picturesOf(person: Visitor): Promise<string[]> {
  const page = (await person.get('/library')).text
  return [...new Set([...page.matchAll(/\/library\/([0-9a-f-]{36})/g)].map(([, id]) => id!))]
}

async function tellMock(gateway: string, what: string, facts: Record<string, unknown>): Promise<void> {
  const answer = await fetch(`${gateway}/__mock/${what}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(facts),
  })
  if (!answer.ok) throw new Error(`the mock gateway refused ${what}: ${await answer.text()}`)
}
