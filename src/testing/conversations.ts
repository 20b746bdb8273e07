import assert from 'node:assert/strict'
import path from 'node:path'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { CallRecord } from '../mock/ledger.ts'
import type { MockGateway } from '../mock/server.ts'
import type { Browser } from './browser.ts'
import { type TestApp, until } from './server.ts'

const Reply = z.object({
  messageId: z.string(),
  state: z.string(),
  model: z.string(),
  text: z.string(),
  html: z.string().nullable(),
  reasoning: z.string(),
  keySecret: z.instanceof(Buffer).nullable(),
  attempts: z.number(),
  cutBy: z.string().nullable(),
  failureReason: z.string().nullable(),
  charged: z.string().nullable(),
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
})
type ReplyRow = z.output<typeof Reply>

/** Says something as a browser without JavaScript does; the id of the conversation it leads to. */
export async function say(
  person: Browser,
  text: string,
  conversation: string | null = null,
  fields: Record<string, string> = {},
): Promise<string> {
  const answer = await person.post(conversation ? `/chat/${conversation}/messages` : '/chat', { text, ...fields })
  assert.equal(answer.status, 303, `not said: ${text}: ${answer.text.slice(0, 300)}`)
  return answer.location.split('/').at(-1)!
}

/** What the model was asked for answers, in order; the small question for a title is another matter. */
export function answerCalls(mock: MockGateway, filter: { email?: string; prompt?: string } = {}): CallRecord[] {
  const { email, prompt = '' } = filter
  return mock.control
    .calls({ path: '/v1/responses' })
    .filter(call => !isTitleCall(call) && call.prompt.includes(prompt) && (!email || call.email === email))
}

export function isTitleCall(call: CallRecord): boolean {
  return String(call.fields.instructions).startsWith('Give this conversation a title')
}

/** The newest answer of the conversation. */
export function newestReply(db: Db, conversation: string): Promise<ReplyRow> {
  return db.one(
    Reply,
    `select r.* from replies r join chat_messages m on m.id = r.message_id
     where r.conversation_id = $1 order by m.number desc limit 1`,
    [conversation],
  )
}

/** Waits until the newest answer has one of the states; the row as it is then. */
export function replyIn(db: Db, conversation: string, ...states: string[]): Promise<ReplyRow> {
  return until(`an answer to be ${states.join(' or ')}`, async () => {
    const row = await newestReply(db, conversation)
    return states.includes(row.state) && row
  })
}

/** Says something and waits for the answer to end well. */
export async function talk(db: Db, person: Browser, text: string, conversation: string | null = null) {
  const id = await say(person, text, conversation)
  return { id, reply: await replyIn(db, id, 'done') }
}

interface SentEvent {
  event: string
  data: string
  bytes: number
}

/** An open event stream of a page, as far as it has come. */
interface OpenStream {
  events: SentEvent[]
  /** The words and blocks of the answer that is being written, as a page puts them together. */
  text(): string
  close(): void
}

/** Opens an event stream with the person's cookies; closed by the caller. */
export async function openStream(url: string, person: Browser, path: string): Promise<OpenStream> {
  const stop = new AbortController()
  const response = await fetch(url + path, {
    headers: { cookie: `sid=${person.cookie('sid')}`, accept: 'text/event-stream', 'HX-Request': 'true' },
    signal: stop.signal,
  })
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const events: SentEvent[] = []
  void read(response, events).catch(() => undefined)
  return {
    events,
    text: () => events.map(each => (['t', 'b', 'e'].includes(each.event) ? each.data : '')).join('\n'),
    close: () => stop.abort(),
  }
}

async function read(response: Response, events: SentEvent[]): Promise<void> {
  let rest = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split('\n\n')
    rest = parts.pop()!
    for (const part of parts) {
      const lines = part.split('\n')
      const fieldOf = (line: string) => line.slice(line.indexOf(':') + 1).replace(/^ /, '')
      const data = lines.filter(line => line.startsWith('data:')).map(fieldOf)
      const event = lines.find(line => line.startsWith('event:'))
      events.push({ event: event ? fieldOf(event) : '', data: data.join('\n'), bytes: Buffer.byteLength(part) + 2 })
    }
  }
}

/** The file of a conversation, where the store is a directory. */
export async function snapshotOf(
  { db, config }: Pick<TestApp, 'db' | 'config'>,
  conversation: string,
): Promise<string> {
  const { key } = await db.one(
    z.object({ key: z.string() }),
    'select snapshot_key as key from conversations where id = $1',
    [conversation],
  )
  return path.join(config.dataDirectory, 'assets', key.slice(0, 2), `${key}.conversation`)
}
