import { randomUUID } from 'node:crypto'
import { countStatements } from '../../src/testing/statements.ts'
import { askApi, bindKey, signInWithKey } from './agents.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const TIMES = 9
const CREATE = 8
const fragment = { 'HX-Request': 'true' }

/** Statements for each of the commonest requests, as a page that is open makes them. */
export async function requests(site: Site): Promise<Figure[]> {
  const counter = await countStatements(site.databaseUrl)
  const [all, web] = [await site.run('all'), await site.run('web', { DATABASE_URL: counter.url })]
  const person = await site.signIn(web, `asker-${randomUUID()}`)
  const key = await bindKey(site, web)
  const { token } = await signInWithKey(web, key)

  const create = (prompt: string) => person.post('/images', { prompt, submission: randomUUID(), n: '1' }, fragment)
  const answered = async (prompt: string) => /id="job-([\w-]+)"/.exec((await create(prompt)).text)?.[1] ?? ''
  const done = await answered('A picture')
  await until(site, `select count(*) = 0 as over from image_jobs where state in ('queued', 'running')`)
  await all.stop()
  const { text } = await person.get(`/images/${done}`)
  const file = /\/files\/[\w-]{32}/.exec(text)?.[0] ?? ''
  const conversation = String((await person.post('/chat', { text: 'hello' })).headers.location)
  await answered('One that waits')
  const tiles = /hx-get="(\/images\/tiles\?[^"]+)"/.exec((await person.get('/images')).text)?.[1] ?? ''
  const task = (await askApi(web, '/tasks', { prompt: 'A task' }, token)) as { data: { task_id: string } }

  const asked: [string, () => Promise<unknown>][] = [
    ['unchanged poll', () => person.get(tiles.replaceAll('&amp;', '&'), fragment)],
    ['page of Create', () => person.get('/images')],
    ['create', () => create(randomUUID())],
    ['page of one picture', () => person.get(`/images/${done}`)],
    ['library', () => person.get('/library')],
    ['page of a conversation', () => person.get(conversation)],
    ['question in a conversation', () => person.post(`${conversation}/messages`, { text: 'and?' }, fragment)],
    ['file', () => person.get(file)],
    ['task of an agent', () => askApi(web, '/tasks', { prompt: randomUUID() }, token)],
    ['state of a task', () => askApi(web, `/tasks/${task.data.task_id}`, undefined, token)],
  ]
  const figures: Figure[] = []
  for (const [name, ask] of asked) {
    const counts: number[] = []
    for (let each = 0; each < TIMES; each++) {
      counter.take()
      await ask()
      // What is written after the answer counts too.
      await counter.quiet()
      counts.push(counter.take())
    }
    const value = median(counts)
    const most = name === 'create' ? CREATE : null
    figures.push({
      name: `${name}, statements`,
      target: most === null ? '–' : `≤ ${most}`,
      measured: `${value} (${Math.min(...counts)} to ${Math.max(...counts)})`,
      met: most === null || value <= most,
      value,
    })
  }
  await web.stop()
  counter.close()
  await site.db.run('delete from image_jobs')
  return figures
}

async function until(site: Site, sql: string): Promise<void> {
  for (;;) {
    const { rows } = await site.db.executeSql(sql)
    if ((rows[0] as { over: boolean }).over) return
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
