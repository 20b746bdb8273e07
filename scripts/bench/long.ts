import { insertLongConversation } from '../../src/testing/long-conversation.ts'
import { longestDelay } from './longest-delay.ts'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Site } from './site.ts'

const MESSAGES = 10_000
const PAGE_MS = 15
const VIEWS = 200
const EXPORTS = 5
const BLOCK_MS = 50

/** How long the page of a very long conversation takes, and what a page without a stream is sent when it has changed. */
export async function long(site: Site): Promise<Figure[]> {
  const web = await site.run('web')
  try {
    const person = await site.signIn(web, 'longtalker')
    const { rows } = await site.db.executeSql(`select id from users where email = 'longtalker@example.com'`)
    const id = await insertLongConversation(site.db, Number((rows[0] as { id: string }).id), MESSAGES)
    await site.db.run('analyze')
    const times = async (address: string, headers: Record<string, string> = {}) => {
      const all: number[] = []
      for (let each = 0; each < VIEWS + 20; each++) {
        const { status, ms } = await person.get(address, headers)
        if (status !== 200) throw new Error(`${address} answered ${status}`)
        all.push(ms)
      }
      return median(all.slice(20))
    }
    const page = await person.get(`/chat/${id}`)
    const before = /href="([^"]+\?before=[^"]+)"/.exec(page.text)?.[1]
    if (!before) throw new Error('nothing older is offered')
    const fragment = { 'HX-Request': 'true' }
    const pulse = await person.get(`/chat/${id}/pulse?v=none`, fragment)
    const [whole, above] = [await times(`/chat/${id}`), await times(before)]
    const top = 'select id from chat_messages where conversation_id = $1 order by number limit 1 offset 100'
    const found = await site.db.executeSql(top, [id])
    const around = await times(`/chat/${id}?at=${(found.rows[0] as { id: string }).id}`)
    const blocks: number[] = []
    for (let each = 0; each < EXPORTS; each++) {
      await longestDelay(web)
      for (const kind of ['md', 'json']) await person.get(`/chat/${id}/export.${kind}`)
      blocks.push(await longestDelay(web))
    }
    const block = Math.min(...blocks)
    const count = MESSAGES.toLocaleString('en')
    return [
      {
        name: `page of a conversation of ${count} messages, p50 (${(page.text.length / 1000).toFixed(0)} kB)`,
        target: `≤ ${PAGE_MS} ms`,
        measured: `${whole.toFixed(1)} ms`,
        met: whole <= PAGE_MS,
      },
      {
        name: `its older messages, p50 (a pulse is ${(pulse.text.length / 1000).toFixed(0)} kB)`,
        target: `≤ ${PAGE_MS} ms`,
        measured: `${above.toFixed(1)} ms`,
        met: above <= PAGE_MS,
      },
      {
        name: 'a message near its beginning among its neighbours, p50',
        target: `≤ ${PAGE_MS} ms`,
        measured: `${around.toFixed(1)} ms`,
        met: around <= PAGE_MS,
      },
      {
        name: 'longest block while it is exported',
        target: `≤ ${BLOCK_MS} ms`,
        measured: `${block.toFixed(1)} ms`,
        met: block <= BLOCK_MS,
      },
    ]
  } finally {
    await web.stop()
  }
}
