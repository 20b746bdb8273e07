import type { Env } from 'markdown-it'
import { escapeHtml } from '../../web/render.ts'
import { renderAside, renderPatiently } from './markdown-aside.ts'

const LONGEST_RENDERED = 120_000
/** An open block is looked at again when it has grown by this part, so that a long one costs what it is long. */
const GROWN = 1 / 16
/** As much of a line as tells what it is. */
const BEGINNING = 14

/**
 * A model's Markdown as HTML that is safe to put into a page of this person. What is beyond 120,000 characters follows as
 * plain text, and a text that takes too long is plain as a whole, if it does without the colours of its code too.
 */
export async function renderMarkdown(userId: number, text: string): Promise<string> {
  const at = text.length <= LONGEST_RENDERED ? text.length : endOfRendered(text)
  const work = { text: text.slice(0, at), growing: null }
  const rendered =
    (await renderAside(userId, { ...work, highlights: true })) ??
    (await renderPatiently(userId, { ...work, highlights: false }))
  return (rendered?.html ?? plain(work.text)) + plain(text.slice(at))
}

function endOfRendered(text: string): number {
  const end = text.lastIndexOf('\n\n', LONGEST_RENDERED)
  return end > 0 ? end : LONGEST_RENDERED
}

function plain(text: string): string {
  return text === '' ? '' : `<p class="plain">${escapeHtml(text)}</p>`
}

/** The HTML of an answer that is still being written. */
export interface GrowingMarkdown {
  /** Blocks that nothing can change any more, of all that came so far. */
  readonly html: string
  /** What follows them, as written. */
  readonly tail: string
  /** Takes more of the text; gives the HTML of the blocks that it completed, or nothing. One call after the other. */
  add(text: string): Promise<string>
}

// Answers that take too long to render stay as written until they end, on however many pages they are looked at.
const slow = new Set<string>()
const MOST_SLOW = 1_000

/**
 * Renders an answer block by block while it comes: a block is done once another has begun below it. The time for all of
 * it grows with its length, into however many pieces it is cut.
 */
export function growMarkdown(userId: number, messageId: string): GrowingMarkdown {
  let defined: Env = {}
  let html = ''
  let tail = ''
  let length = 0
  let looked = 0
  return {
    get html() {
      return html
    },
    get tail() {
      return tail
    },
    async add(text) {
      tail += text
      length += text.length
      // A block is over once the line below it has begun: in the middle of a line there is nothing to look for.
      const line = tail.length - tail.lastIndexOf('\n') - 1
      const isBegin = line - text.length <= BEGINNING
      if (length > LONGEST_RENDERED || (!text.includes('\n') && !isBegin)) return ''
      if (tail.length < looked * (1 + GROWN) || slow.has(messageId)) return ''
      looked = tail.length
      const done = await renderAside(userId, { text: tail, growing: defined, highlights: true })
      if (!done) {
        if (slow.size >= MOST_SLOW) slow.clear()
        slow.add(messageId)
      }
      if (!done || done.length === 0) return ''
      looked = 0
      defined = done.growing ?? {}
      tail = tail.slice(done.length)
      html += done.html
      return done.html
    },
  }
}
