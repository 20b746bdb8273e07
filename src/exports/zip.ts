/**
 * ZIP files whose every byte follows from what is known of their entries, so that any part can be sent without making
 * the rest: nothing is compressed (pictures are already), sizes and checksums come first. PKWARE APPNOTE 6.3.10, with
 * Zip64 where numbers do not fit.
 */
export interface ZipEntry {
  /** `pictures/0001-a-heron.png`: no `..`, no root. */
  name: string
  bytes: number
  crc32: number
  at: Date
  /** What it holds, or where that lies in the store. */
  content: Buffer | string
}

/** A stretch of the file. */
export interface ZipPart {
  size: number
  content: Buffer | string
}

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const END_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const UTF8_NAMES = 0x0800
const VERSION_64 = 45
/** Made on Unix: the mode of a plain file, 0644, in the upper half. */
const MADE_ON_UNIX = (3 << 8) | VERSION_64
const PLAIN_FILE = (0o100644 << 16) >>> 0
const MOST_16 = 0xffff
const MOST_32 = 0xffffffff

/** The parts of the file, in their order. An entry has less than 4 GiB; throws `RangeError` for one that has more. */
export function layOut(entries: readonly ZipEntry[]): ZipPart[] {
  const parts: ZipPart[] = []
  const directory: Buffer[] = []
  let offset = 0
  const put = (content: Buffer | string, size: number) => {
    if (size > 0) parts.push({ size, content })
    offset += size
  }
  for (const entry of entries) {
    if (entry.bytes >= MOST_32) throw new RangeError(`${entry.name} is too large for an entry`)
    const name = Buffer.from(entry.name)
    directory.push(centralHeader(entry, name, offset))
    put(localHeader(entry, name), 30 + name.length)
    put(entry.content, entry.bytes)
  }
  const start = offset
  for (const header of directory) put(header, header.length)
  const end = endOf(entries.length, start, offset - start)
  put(end, end.length)
  return parts
}

function localHeader(entry: ZipEntry, name: Buffer): Buffer {
  const header = Buffer.alloc(30)
  header.writeUInt32LE(LOCAL, 0)
  writeShared(header, entry, name, 4)
  return Buffer.concat([header, name])
}

function centralHeader(entry: ZipEntry, name: Buffer, offset: number): Buffer {
  const isFar = offset >= MOST_32
  const extra = Buffer.alloc(isFar ? 12 : 0)
  if (isFar) {
    extra.writeUInt16LE(1, 0)
    extra.writeUInt16LE(8, 2)
    extra.writeBigUInt64LE(BigInt(offset), 4)
  }
  const header = Buffer.alloc(46)
  header.writeUInt32LE(CENTRAL, 0)
  header.writeUInt16LE(MADE_ON_UNIX, 4)
  writeShared(header, entry, name, 6)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt32LE(PLAIN_FILE, 38)
  header.writeUInt32LE(isFar ? MOST_32 : offset, 42)
  return Buffer.concat([header, name, extra])
}

/** What local and central headers have in common. */
function writeShared(header: Buffer, { at, crc32, bytes }: ZipEntry, name: Buffer, start: number): void {
  header.writeUInt16LE(VERSION_64, start)
  header.writeUInt16LE(UTF8_NAMES, start + 2)
  header.writeUInt16LE(0, start + 4)
  header.writeUInt16LE(dosTime(at), start + 6)
  header.writeUInt16LE(dosDate(at), start + 8)
  header.writeUInt32LE(crc32, start + 10)
  header.writeUInt32LE(bytes, start + 14)
  header.writeUInt32LE(bytes, start + 18)
  header.writeUInt16LE(name.length, start + 22)
}

function endOf(count: number, start: number, size: number): Buffer {
  const end = Buffer.alloc(22)
  end.writeUInt32LE(END, 0)
  end.writeUInt16LE(Math.min(count, MOST_16), 8)
  end.writeUInt16LE(Math.min(count, MOST_16), 10)
  end.writeUInt32LE(Math.min(size, MOST_32), 12)
  end.writeUInt32LE(Math.min(start, MOST_32), 16)
  if (count < MOST_16 && size < MOST_32 && start < MOST_32) return end
  const end64 = Buffer.alloc(56)
  end64.writeUInt32LE(END_64, 0)
  end64.writeBigUInt64LE(44n, 4)
  end64.writeUInt16LE(MADE_ON_UNIX, 12)
  end64.writeUInt16LE(VERSION_64, 14)
  end64.writeBigUInt64LE(BigInt(count), 24)
  end64.writeBigUInt64LE(BigInt(count), 32)
  end64.writeBigUInt64LE(BigInt(size), 40)
  end64.writeBigUInt64LE(BigInt(start), 48)
  const locator = Buffer.alloc(20)
  locator.writeUInt32LE(LOCATOR_64, 0)
  locator.writeBigUInt64LE(BigInt(start + size), 8)
  locator.writeUInt32LE(1, 16)
  return Buffer.concat([end64, locator, end])
}

/** ZIP knows two-second steps, no zone, and nothing before 1980: these are of UTC. */
function dosTime(at: Date): number {
  return (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1)
}

function dosDate(at: Date): number {
  return (Math.max(0, at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate()
}
