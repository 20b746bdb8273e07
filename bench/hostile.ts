import { hostileAnswers } from '../src/testing/hostile-answers.ts'
import { openPage } from './chat.ts'
import type { Figure } from './main.ts'
import type { Site } from './site.ts'
import type { Visitor } from './visitor.ts'

const BLOCK_MS = 50
/** What is in all of them is the text's doing, and not the machine's. */
const RUNS = 3

/**
 * For how long one answer that is made to be slow keeps everybody else waiting, while it is written, watched, read and
 * exported: the longest delay of the event loop, of which its own clock is 10 ms.
 */
export async function hostile(site: Site): Promise<Figure[]> {
  const app = await site.run('all')
  let [worst, slowest] = [0, '']
  try {
    await converse(await site.signIn(app, 'warm'), 'warm', 'A few words.')
    for (const [name, text] of hostileAnswers) {
      const person = await site.signIn(app, name.replaceAll(/\W/g, '-').toLowerCase())
      const delays: number[] = []
      for (let each = 0; each < RUNS; each++) {
        await longestDelay()
        await converse(person, name, text)
        delays.push(await longestDelay())
      }
      const ms = Math.min(...delays)
      if (ms > worst) [worst, slowest] = [ms, name]
    }
  } finally {
    await app.stop()
  }
  return [
    {
      name: `longest block under ${hostileAnswers.size} hostile answers (${slowest})`,
      target: `≤ ${BLOCK_MS} ms`,
      measured: `${worst.toFixed(1)} ms`,
      met: worst <= BLOCK_MS,
    },
  ]

  async function converse(person: Visitor, name: string, answer: string): Promise<void> {
    const { headers } = await person.post('/chat', { text: 'hello' })
    const address = String(headers.location)
    const page = await openPage(app.url, `${address}/events`, person.cookies())
    await page.until(event => event.name === 'e' || /state-(done|failed)/.test(event.data))
    await site.fault({ match: { prompt: `say ${name}` }, answer })
    const over = page.until(event => event.name === 'e')
    await person.post(`${address}/messages`, { text: `say ${name}` }, { 'HX-Request': 'true' })
    await over
    await person.get(address)
    await person.get(`${address}/export.md`)
    page.close()
  }

  /** Milliseconds, since it was asked for the last time. */
  async function longestDelay(): Promise<number> {
    const text = await (await fetch(`${app.url}/metrics`)).text()
    return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)?.[1]) * 1000
  }
}
