/** Of what a model writes: words for the reader, or thoughts that it puts between tags. */
interface Piece {
  kind: 'text' | 'reasoning'
  text: string
}

/** Tells thoughts from words while they come. */
export interface ThinkingSieve {
  write(text: string): Piece[]
  /** Nothing more comes: what was held back. */
  end(): Piece[]
}

/** At the start of a line: where thoughts begin, and where code begins or ends. */
const mark = /^(?:[ \t]{0,3}<think(?:ing)?>| {0,3}(?:`{3,}|~{3,}))/gim
const closing = /<\/think(?:ing)?>\s*/i
/** What may become a tag or a fence at the start of a line, or a closing tag anywhere. */
const beginsLine = /^[ \t]{0,3}(?:<(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?|`{1,2}|~{1,2})?$/i
const beginsClosing = /<(?:\/(?:t(?:h(?:i(?:n(?:k(?:i(?:n(?:g)?)?)?)?)?)?)?)?)?$/i

/**
 * Open models think between `<think>` and `</think>`, which some gateways pass on as part of the answer. A tag counts at the
 * start of a line outside of code: elsewhere somebody is writing about it.
 */
export function thinkingSieve(): ThinkingSieve {
  let held = ''
  let isThinking = false
  let isLineStart = true
  let isCode = false
  let isAfter = false

  function write(text: string, isEnd = false): Piece[] {
    held += text
    const pieces: Piece[] = []
    while (held !== '' && (isThinking ? thought(isEnd, pieces) : word(isEnd, pieces))) {}
    return pieces
  }

  /** Both: false when more must come first. */
  function thought(isEnd: boolean, pieces: Piece[]): boolean {
    const over = closing.exec(held)
    const most = isEnd ? held.length : (beginsClosing.exec(held)?.index ?? held.length)
    const end = over ? over.index : most
    if (end > 0) pieces.push({ kind: 'reasoning', text: held.slice(0, end) })
    held = held.slice(over ? end + over[0].length : end)
    if (over) [isThinking, isLineStart, isAfter] = [false, true, true]
    return over !== null
  }

  function word(isEnd: boolean, pieces: Piece[]): boolean {
    if (isAfter) held = held.trimStart()
    if (held === '') return false
    isAfter = false
    const tag = nextTag()
    const end = tag ? tag.index : isEnd ? held.length : endOfWords()
    if (end > 0) {
      pieces.push({ kind: 'text', text: held.slice(0, end) })
      isLineStart = held[end - 1] === '\n'
    }
    held = held.slice(tag ? end + tag[0].length : end)
    isThinking = tag !== null
    return isThinking
  }

  /** Where nothing can become a tag any more. */
  function endOfWords(): number {
    const lastLine = held.lastIndexOf('\n') + 1
    const isOpen = (lastLine > 0 || isLineStart) && beginsLine.test(held.slice(lastLine))
    return isOpen ? lastLine : held.length
  }

  /** The next one that counts; on the way to it code begins and ends. */
  function nextTag(): RegExpExecArray | null {
    mark.lastIndex = isLineStart ? 0 : held.indexOf('\n') + 1 || held.length
    for (let found = mark.exec(held); found; found = mark.exec(held)) {
      if (!found[0].includes('<')) isCode = !isCode
      else if (!isCode) return found
    }
    return null
  }

  return { write: text => write(text), end: () => write('', true) }
}

/** A whole text without its thoughts. */
export function withoutThoughts(text: string): string {
  const sieve = thinkingSieve()
  const pieces = [...sieve.write(text), ...sieve.end()]
  return pieces.map(piece => (piece.kind === 'text' ? piece.text : '')).join('')
}

/** Where only the end of the thoughts is marked, as some templates have it: all before it is thought. */
export function splitThoughts(text: string): { thoughts: string; words: string } {
  const found = /^[ \t]*<\/think(?:ing)?>\s*/im.exec(text)
  if (!found) return { thoughts: '', words: text }
  return { thoughts: text.slice(0, found.index).trim(), words: text.slice(found.index + found[0].length) }
}
