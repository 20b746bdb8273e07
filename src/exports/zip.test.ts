import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import yauzl from 'yauzl'
import { layOut, type ZipPart } from './zip.ts'

const at = new Date('2026-11-26T12:34:56Z')

const large = Array.from({ length: 4 }, (_, each) => ({
  name: `large-${each}`,
  bytes: 2 ** 31,
  crc32: 0,
  at,
  content: 'x',
}))
const small = (count: number) =>
  Array.from({ length: count }, (_, each) => ({
    name: `small-${each}`,
    bytes: 3,
    crc32: 0,
    at,
    content: Buffer.from('abc'),
  }))

test('entries that lie beyond four gigabytes are found where they are', async () => {
  const zip = await open(layOut([...large, ...small(3)]))
  const entries: yauzl.Entry[] = []
  for await (const entry of zip.eachEntry()) entries.push(entry)
  assert.equal(entries.length, 7)
  for (const entry of entries) assert.deepEqual(entry.getLastModDate({ timezone: 'UTC' }), at)
  assert.equal(await text(await zip.openReadStreamPromise(entries[6]!)), 'abc')
})

test('there may be more of them than two bytes count', async () => {
  assert.equal((await open(layOut(small(70_000)))).entryCount, 70_000)
})

function open(parts: readonly ZipPart[]) {
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  return yauzl.fromRandomAccessReaderPromise(new Parts(parts), size, { autoClose: false })
}

/** The file, without ever being it: what lies in the store is zeros. */
class Parts extends yauzl.RandomAccessReader {
  readonly #parts: { start: number; part: ZipPart }[] = []

  constructor(parts: readonly ZipPart[]) {
    super()
    let start = 0
    for (const part of parts) {
      this.#parts.push({ start, part })
      start += part.size
    }
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#read(start, end))
  }

  *#read(from: number, end: number) {
    let [low, high] = [0, this.#parts.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.#parts[middle]!.start <= from) low = middle
      else high = middle - 1
    }
    for (let each = low; each < this.#parts.length && this.#parts[each]!.start < end; each++) {
      const { start, part } = this.#parts[each]!
      const [first, last] = [Math.max(0, from - start), Math.min(part.size, end - start)]
      yield typeof part.content === 'string' ? Buffer.alloc(last - first) : part.content.subarray(first, last)
    }
  }
}
