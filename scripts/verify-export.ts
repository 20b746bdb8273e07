// Usage: npm run verify-export -- FILE.zip
// Reads a ZIP that this site has made and compares every picture with what its manifest says of it. Exits 0 when nothing
// is missing, other than said, or left over; otherwise 1, with a line for each that differs.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import yauzl from 'yauzl'
import { z } from 'zod'

const MANIFEST = 'manifest.json'
const Manifest = z.object({
  format: z.literal('sub2api-playground-export'),
  version: z.literal(1),
  files: z.number(),
  pictures: z.array(
    z.union([z.object({ file: z.string(), bytes: z.number(), sha256: z.string() }), z.object({ missing: z.string() })]),
  ),
})

const file = process.argv[2]
if (!file) {
  console.error('Usage: npm run verify-export -- FILE.zip')
  process.exit(2)
}

const zip = await yauzl.openPromise(file, { strictFileNames: true })
const found = new Map<string, { bytes: number; sha256: string }>()
let manifest: z.output<typeof Manifest> | null = null
for await (const entry of zip.eachEntry()) {
  const stream = await zip.openReadStreamPromise(entry)
  if (entry.fileName === MANIFEST) manifest = Manifest.parse(await json(stream))
  else found.set(entry.fileName, await digestOf(stream))
}

const problems = manifest ? compare(manifest) : [`there is no ${MANIFEST}`]
for (const problem of problems) console.log(problem)
if (problems.length === 0) console.log(`${found.size} pictures are as the manifest says`)
process.exitCode = problems.length === 0 ? 0 : 1

function compare({ pictures }: z.output<typeof Manifest>): string[] {
  const wrong: string[] = []
  const left = new Set(found.keys())
  for (const picture of pictures) {
    if ('missing' in picture) continue
    const is = found.get(picture.file)
    left.delete(picture.file)
    if (!is) wrong.push(`${picture.file} is missing`)
    else if (is.sha256 !== picture.sha256) wrong.push(`${picture.file} is not what it was`)
  }
  return [...wrong, ...[...left].map(name => `${name} is not in the manifest`)]
}

async function digestOf(stream: Readable): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex') }
}
