import { eventLines } from '../wire/event-lines.ts'
import {
  type PictureScanner,
  pictureScanner,
  type ScannedPicture,
  type ScannerLimits,
} from '../wire/picture-scanner.ts'
import { Unanswered } from './http.ts'

/** A piece of a picture reply. `pictures` resolves the numbers that stand for pictures in `json`. */
export type Message =
  /** One event of a stream; `event` is the name on its line, or empty. */
  | { kind: 'event'; event: string; json: unknown; pictures: Map<number, ScannedPicture> }
  /** The one document of a reply that is not a stream. */
  | { kind: 'body'; json: unknown; pictures: Map<number, ScannedPicture> }
  /**
   * Pictures of such a document, handed over before its end: too many to hold, or the document never ended. `half` is where any
   * reply broke off inside a picture.
   */
  | { kind: 'early'; pictures: Map<number, ScannedPicture>; half: HalfPicture | null }

/** What came of a picture, the name of its event if it had one, and the JSON that stood before it. */
interface HalfPicture {
  bytes: Buffer
  event: string
  text: string
}

const mostHeldBytes = 16 * 1024 * 1024
const doneMarker = '[DONE]'

/**
 * Reads a picture reply as it arrives. Its first byte tells whether it is JSON or an event stream, whatever its Content-Type says:
 * upstreams mix them up. An event counts as soon as its JSON is whole. Throws what `chunks` throws; `Unanswered` for JSON without its end;
 * RangeError over a limit; SyntaxError for a JSON reply that is none.
 */
export async function* readMessages(
  chunks: AsyncIterable<Buffer>,
  pictureKeys: ReadonlySet<string>,
  limits: ScannerLimits,
  addressKeys?: ReadonlySet<string>,
): AsyncGenerator<Message, void, undefined> {
  const scanner = pictureScanner(pictureKeys, limits, { addressKeys })
  const queue: Message[] = []
  let reader: Reader | null = null
  let isBody = false
  try {
    for await (const chunk of chunks) {
      const rest: Buffer = reader ? chunk : withoutBlank(chunk)
      if (rest.length === 0) continue
      if (!reader) {
        isBody = rest[0] === 0x7b || rest[0] === 0x5b
        reader = isBody ? bodyReader(scanner, queue) : eventReader(scanner, queue)
      }
      reader.read(rest)
      for (let message = queue.shift(); message; message = queue.shift()) {
        if (isDone(message)) return
        yield message
        if (message.kind === 'body') return
      }
      if (isBody && heldBytes(scanner) > mostHeldBytes)
        yield { kind: 'early', pictures: takePictures(scanner), half: null }
    }
  } catch (error) {
    yield* queue
    yield* remains()
    throw error
  }
  yield* remains()
  if (isBody) throw new Unanswered('cut', true, 'the reply ended inside its JSON')

  function* remains(): Generator<Message> {
    const bytes = scanner.unfinished()
    const half = bytes && { bytes, event: reader?.event() ?? '', text: scanner.text() }
    const pictures = isBody ? takePictures(scanner) : new Map<number, ScannedPicture>()
    if (half || pictures.size > 0) yield { kind: 'early', pictures, half }
  }
}

interface Reader {
  read(chunk: Buffer): void
  /** The name on the line of the event that is being read. */
  event(): string
}

function bodyReader(scanner: PictureScanner, queue: Message[]): Reader {
  return {
    read(chunk) {
      if (scanner.state === 'whole' || !scanner.write(chunk)) return
      queue.push({ kind: 'body', json: scanner.parse(), pictures: new Map(scanner.pictures) })
    },
    event: () => '',
  }
}

function eventReader(scanner: PictureScanner, queue: Message[]): Reader {
  let event = ''
  const read = eventLines({
    event(name) {
      event = name
    },
    data(segment) {
      if (scanner.state === 'whole' || !scanner.write(segment)) return
      queue.push({ kind: 'event', event, json: parseOrNull(scanner), pictures: new Map(scanner.pictures) })
      scanner.pictures.clear()
    },
    boundary() {
      event = ''
      scanner.reset()
    },
  })
  return { read, event: () => event }
}

/** An event that is no JSON (`data: ping` of some relay) is no reason to lose the pictures of the others. */
function parseOrNull(scanner: PictureScanner): unknown {
  try {
    return scanner.parse()
  } catch {
    return scanner.text() === doneMarker ? doneMarker : null
  }
}

function isDone(message: Message): boolean {
  return message.kind === 'event' && message.json === doneMarker
}

function heldBytes(scanner: PictureScanner): number {
  let bytes = 0
  for (const picture of scanner.pictures.values()) if (Buffer.isBuffer(picture)) bytes += picture.length
  return bytes
}

function takePictures(scanner: PictureScanner): Map<number, ScannedPicture> {
  const pictures = new Map(scanner.pictures)
  scanner.pictures.clear()
  return pictures
}

/** Keep-alive spaces and a byte order mark before the reply's first real byte. */
function withoutBlank(chunk: Buffer): Buffer {
  let at = 0
  while (at < chunk.length && blank.has(chunk[at]!)) at++
  return chunk.subarray(at)
}

const blank: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf])
