/** Receives a `text/event-stream` (WHATWG HTML §9.2.6) piece by piece; a data line may come in many segments. */
interface EventSink {
  event(name: string): void
  data(segment: Buffer): void
  /** A blank line: the event is over. */
  boundary(): void
}

const lineFeed = 0x0a
const carriageReturn = 0x0d
const newline = Buffer.from('\n')
const longestName = 200

/** Returns the function that takes the stream's chunks, cut anywhere. Comments and unknown fields are skipped, lines are never gathered. */
export function eventLines(sink: EventSink): (chunk: Buffer) => void {
  let field: 'name' | 'space' | 'data' | 'event' | 'skip' = 'name'
  let name = ''
  let value = ''
  let empty = true
  let afterReturn = false

  function write(chunk: Buffer) {
    let at = 0
    while (at < chunk.length) {
      if (afterReturn && chunk[at] === lineFeed) at++
      afterReturn = false
      if (at === chunk.length) return
      const end = lineEnd(chunk, at)
      if (end > at) part(chunk.subarray(at, end))
      if (end < chunk.length) {
        endLine()
        afterReturn = chunk[end] === carriageReturn
      }
      at = end + 1
    }
  }

  function part(segment: Buffer) {
    empty = false
    let rest = segment
    if (field === 'name') {
      const colon = rest.indexOf(0x3a)
      name += rest.toString('latin1', 0, colon < 0 ? Math.min(rest.length, longestName) : colon)
      if (colon < 0) {
        if (name.length > longestName) field = 'skip'
        return
      }
      rest = rest.subarray(colon + 1)
      field = 'space'
    }
    if (field === 'space' && rest.length > 0) {
      if (rest[0] === 0x20) rest = rest.subarray(1)
      field = name === 'data' || name === 'event' ? name : 'skip'
    }
    if (field === 'data' && rest.length > 0) sink.data(rest)
    if (field === 'event' && value.length < longestName) value += rest.toString('latin1')
  }

  function endLine() {
    if (empty) sink.boundary()
    else if (name === 'data') sink.data(newline)
    else if (name === 'event') sink.event(value)
    field = 'name'
    name = value = ''
    empty = true
  }

  return write
}

function lineEnd(chunk: Buffer, at: number): number {
  const feed = chunk.indexOf(lineFeed, at)
  const end = feed < 0 ? chunk.length : feed
  const back = chunk.subarray(at, end).indexOf(carriageReturn)
  return back < 0 ? end : at + back
}
