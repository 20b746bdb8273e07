import { type FileHandle, open } from 'node:fs/promises'
import { guarded } from './errors.ts'
import type { ByteRange, Take } from './storage.ts'
import { absent } from './whole-files.ts'

const PIECE = 512 * 1024
const MOST_SPARE = 4
const spare: Buffer[] = []

/** A file piece by piece, all of them in one buffer; its whole size, or null when it is absent. */
export async function takeFile(path: string, take: Take, range?: ByteRange): Promise<number | null> {
  const file = await guarded('open', () => open(path, 'r').catch(absent))
  if (!file) return null
  try {
    const { size } = await guarded('open', () => file.stat())
    const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(PIECE)
    const end = range ? range.end + 1 : size
    for (let at = range?.start ?? 0; at < end; ) {
      const piece = await guarded('read', () => readAt(file, at, buffer.subarray(0, end - at)))
      await take(piece)
      at += piece.length
    }
    // Not after an error: whoever has it then may still use it.
    if (spare.length < MOST_SPARE) spare.push(buffer)
    return size
  } finally {
    await file.close()
  }
}

async function readAt(file: FileHandle, at: number, into: Buffer): Promise<Buffer> {
  const { bytesRead } = await file.read(into, 0, into.length, at)
  if (bytesRead === 0) throw new RangeError(`ends at byte ${at}`)
  return into.subarray(0, bytesRead)
}
