import { crc32, deflateRawSync } from 'node:zlib'

/** An entry as somebody may write it who means no good; what is not given is as it should be. */
export interface TestEntry {
  name: string
  content: Buffer | string
  deflated?: boolean
  /** What is said of it, rather than what is so. */
  crc?: number
  size?: number
  method?: number
  flags?: number
  /** As of Unix. */
  mode?: number
}

const UTF8_NAMES = 0x0800

/** A ZIP of these (PKWARE APPNOTE 6.3.10); `zip64`: with the large end, whether needed or not. */
export function zipOf(entries: readonly TestEntry[], { zip64 = false, count = entries.length } = {}): Buffer {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const entry of entries) {
    const content = Buffer.from(entry.content)
    const packed = entry.deflated ? deflateRawSync(content) : content
    const name = Buffer.from(entry.name)
    const shared = Buffer.alloc(26)
    shared.writeUInt16LE(45, 0)
    shared.writeUInt16LE(UTF8_NAMES | (entry.flags ?? 0), 2)
    shared.writeUInt16LE(entry.method ?? (entry.deflated ? 8 : 0), 4)
    shared.writeUInt32LE(0x5b6c_0000, 6)
    shared.writeUInt32LE(entry.crc ?? crc32(content), 10)
    shared.writeUInt32LE(packed.length, 14)
    shared.writeUInt32LE(entry.size ?? content.length, 18)
    shared.writeUInt16LE(name.length, 22)
    const central = Buffer.alloc(14)
    central.writeUInt32LE(((entry.mode ?? 0) << 16) >>> 0, 6)
    central.writeUInt32LE(offset, 10)
    const made = Buffer.from([45, 3])
    directory.push(Buffer.from('PK\x01\x02'), made, shared, central, name)
    const local = [Buffer.from('PK\x03\x04'), shared, name, packed]
    parts.push(...local)
    offset += local.reduce((sum, { length }) => sum + length, 0)
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06')
  end.writeUInt16LE(zip64 ? 0xffff : count, 8)
  end.writeUInt16LE(zip64 ? 0xffff : count, 10)
  end.writeUInt32LE(zip64 ? 0xffffffff : size, 12)
  end.writeUInt32LE(zip64 ? 0xffffffff : offset, 16)
  return Buffer.concat([...parts, ...directory, ...(zip64 ? largeEnd(count, size, offset) : []), end])
}

function largeEnd(count: number, size: number, offset: number): Buffer[] {
  const end = Buffer.alloc(56)
  end.write('PK\x06\x06')
  end.writeBigUInt64LE(44n, 4)
  for (const at of [24, 32]) end.writeBigUInt64LE(BigInt(count), at)
  end.writeBigUInt64LE(BigInt(size), 40)
  end.writeBigUInt64LE(BigInt(offset), 48)
  const locator = Buffer.alloc(20)
  locator.write('PK\x06\x07')
  locator.writeBigUInt64LE(BigInt(offset + size), 8)
  locator.writeUInt32LE(1, 16)
  return [end, locator]
}
