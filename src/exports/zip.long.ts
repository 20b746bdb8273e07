import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { layOut, type ZipEntry } from './zip.ts'

const run = promisify(execFile)
const at = new Date('2026-11-26T12:34:56Z')
const MANY = 70_000
const LARGE = 1_500_000_000
const block = Buffer.alloc(1024 * 1024)

let folder: string
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'zip-'))
})
after(() => rm(folder, { recursive: true }))

const kinds: Record<string, () => ZipEntry[]> = {
  'more entries than two bytes count': () =>
    Array.from({ length: MANY }, (_, each) => {
      const content = Buffer.from(`the ${each}th`)
      return { name: `${each}-灯塔.txt`, bytes: content.length, crc32: crc32(content), at, content }
    }),
  'more than four gigabytes': () => {
    const sum = crcOfZeros(LARGE)
    return Array.from({ length: 3 }, (_, each) => ({
      name: `${each}.png`,
      bytes: LARGE,
      crc32: sum,
      at,
      content: 'zeros',
    }))
  },
}

for (const [name, entries] of Object.entries(kinds)) {
  test(`a ZIP of ${name} is whole to unzip and to Python`, async t => {
    const file = path.join(folder, `${name}.zip`)
    await write(file, entries())
    for (const [command, ...args] of [
      ['unzip', '-tqq', file],
      ['python3', '-c', PYTHON, file],
    ] as const) {
      if (!(await exists(command))) t.diagnostic(`${command} is not here`)
      else await run(command, args)
    }
    await rm(file)
  })
}

const PYTHON = `import sys, zipfile
zip = zipfile.ZipFile(sys.argv[1])
assert zip.testzip() is None`

function crcOfZeros(size: number): number {
  let sum = 0
  for (let left = size; left > 0; left -= block.length) {
    sum = crc32(block.subarray(0, Math.min(left, block.length)), sum)
  }
  return sum
}

/** What lies in the store is zeros. */
async function write(file: string, entries: readonly ZipEntry[]): Promise<void> {
  const out = createWriteStream(file)
  for (const { content, size } of layOut(entries)) {
    if (typeof content !== 'string') await put(content)
    else
      for (let left = size; left > 0; left -= block.length) await put(block.subarray(0, Math.min(left, block.length)))
  }
  out.end()
  await once(out, 'finish')

  async function put(bytes: Buffer): Promise<void> {
    if (!out.write(bytes)) await once(out, 'drain')
  }
}

async function exists(command: string): Promise<boolean> {
  return run('which', [command]).then(
    () => true,
    () => false,
  )
}
