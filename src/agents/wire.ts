/** The bytes do not follow the SSH data types of RFC 4251 §5. */
export class MalformedWire extends Error {}

/** Reads SSH data types one after another, strictly; every method throws `MalformedWire`. */
interface WireReader {
  bytes(count: number): Buffer
  byte(): number
  uint32(): number
  string(): Buffer
  /** A string of printable ASCII. */
  text(): string
  /** A positive integer in its shortest form, as its bytes without a sign byte. */
  mpint(): Buffer
  /** Nothing may follow. */
  end(): void
}

export function wireReader(data: Buffer): WireReader {
  let at = 0

  const reader: WireReader = {
    bytes(count) {
      if (count > data.length - at) throw new MalformedWire('cut short')
      at += count
      return data.subarray(at - count, at)
    },
    byte: () => reader.bytes(1)[0]!,
    uint32: () => reader.bytes(4).readUInt32BE(),
    string: () => reader.bytes(reader.uint32()),
    text() {
      const text = reader.string().toString('latin1')
      if (!/^[\x20-\x7e]*$/.test(text)) throw new MalformedWire('not printable')
      return text
    },
    mpint() {
      const number = reader.string()
      const [first, second = 0] = number
      if (first === undefined || first > 0x7f) throw new MalformedWire('not a positive integer')
      if (first !== 0) return number
      if (second < 0x80) throw new MalformedWire('an integer with needless zeros')
      return number.subarray(1)
    },
    end() {
      if (at !== data.length) throw new MalformedWire('bytes left over')
    },
  }
  return reader
}

export function wireString(content: string | Buffer): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
