import { isValueRefused } from '../../db/errors.ts'
import type { Deps } from '../../deps.ts'
import { appendDeltas, type ClaimedReply, type Delta } from './claim-queries.ts'

/** Writes an answer's words down while they come. */
export interface DeltaWriter {
  readonly text: string
  readonly reasoning: string
  add(kind: Delta['kind'], text: string): void
  /** Nothing is written after this; what could not be is in `text` all the same. */
  close(): Promise<void>
}

const SOON_MS = 90
const LATE_MS = 300
const WORTH_A_ROW = 32

/**
 * The first words are written at once; later ones when there are some, or after 0.3 seconds: a row and a wake-up for every
 * few letters would cost more than they show. One write at a time, and a failed one is tried again with what came since.
 */
export function createDeltaWriter(deps: Pick<Deps, 'db' | 'log'>, reply: ClaimedReply): DeltaWriter {
  let text = ''
  let reasoning = ''
  let seq = 0
  let pending: Delta[] = []
  let pendingSince = 0
  let writing: Promise<void> | null = null
  let timer: NodeJS.Timeout | null = null
  let wroteAt = 0
  let closed = false

  function schedule(): void {
    if (writing || timer || closed || pending.length === 0) return
    const isWorth = pending.reduce((sum, delta) => sum + delta.text.length, 0) >= WORTH_A_ROW
    const due = isWorth ? wroteAt + SOON_MS : Math.max(wroteAt + SOON_MS, pendingSince + LATE_MS)
    const wait = wroteAt === 0 ? 0 : due - Date.now()
    if (wait <= 0) write()
    else timer = setTimeout(write, wait)
  }

  function write(): void {
    timer = null
    const batch = pending
    pending = []
    wroteAt = Date.now()
    writing = appendDeltas(deps.db, reply, batch)
      .catch(error => {
        deps.log.warn({ err: error, reply: reply.messageId }, 'words of an answer could not be written yet')
        // What is refused once is refused for ever: the words are in the answer when it ends.
        if (!isValueRefused(error)) pending = [...batch, ...pending]
      })
      .finally(() => {
        writing = null
        schedule()
      })
  }

  return {
    get text() {
      return text
    },
    get reasoning() {
      return reasoning
    },
    add(kind, words) {
      if (words === '') return
      if (kind === 'text') text += words
      else reasoning += words
      const last = pending.at(-1)
      if (pending.length === 0) pendingSince = Date.now()
      if (last?.kind === kind && !writing) last.text += words
      else pending.push({ seq: seq++, kind, text: words })
      if (timer) {
        clearTimeout(timer)
        timer = null
      }
      schedule()
    },
    async close() {
      closed = true
      if (timer) clearTimeout(timer)
      await writing
      // Half a surrogate pair, of an answer that broke off, can neither be kept nor sent.
      text = text.toWellFormed()
      reasoning = reasoning.toWellFormed()
    },
  }
}
