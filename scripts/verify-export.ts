// Usage: npm run verify-export -- FILE.zip
// Reads a ZIP that this site has made and compares every file with what its manifest says of it: length, SHA-256 and the
// sum that the ZIP itself has. Exits 0 when nothing is missing, other than said, or left over; otherwise 1, with a line for
// each that differs.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import yauzl from 'yauzl'
import { z } from 'zod'

const MANIFEST = 'manifest.json'
const File = z.object({ file: z.string(), bytes: z.number(), sha256: z.string() })
const Manifest = z.object({
  format: z.literal('sub2api-playground-export'),
  version: z.literal(1),
  files: z.number(),
  pictures: z.array(z.union([File, z.object({ missing: z.string() })])),
  papers: z.array(File).default([]),
})

const file = process.argv[2]
if (!file) {
  console.error('Usage: npm run verify-export -- FILE.zip')
  process.exit(2)
}

const problems: string[] = []
const found = new Map<string, { bytes: number; sha256: string }>()
let manifest: z.output<typeof Manifest> | null = null
try {
  const zip = await yauzl.openPromise(file, { strictFileNames: true })
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName === MANIFEST) {
      manifest = Manifest.parse(await json(await zip.openReadStreamPromise(entry)))
      continue
    }
    if (found.has(entry.fileName)) problems.push(`${entry.fileName} is there twice`)
    const { sum, ...digest } = await digestOf(await zip.openReadStreamPromise(entry))
    if (sum !== entry.crc32) problems.push(`${entry.fileName} does not have the sum that the ZIP says`)
    found.set(entry.fileName, digest)
  }
  problems.push(...(manifest ? compare(manifest) : [`there is no ${MANIFEST}`]))
} catch (error) {
  problems.push(`the file cannot be read: ${error instanceof z.ZodError ? z.prettifyError(error) : String(error)}`)
}

for (const problem of problems) console.log(problem)
if (problems.length === 0) console.log(`${found.size} files are as the manifest says`)
process.exitCode = problems.length === 0 ? 0 : 1

function compare({ files, pictures, papers }: z.output<typeof Manifest>): string[] {
  const wrong: string[] = []
  const left = new Set(found.keys())
  if (pictures.length + papers.length !== files) wrong.push(`the manifest names ${pictures.length} of ${files} files`)
  for (const said of [...pictures, ...papers]) {
    if ('missing' in said) continue
    const is = found.get(said.file)
    left.delete(said.file)
    if (!is) wrong.push(`${said.file} is missing`)
    else if (is.sha256 !== said.sha256 || is.bytes !== said.bytes) wrong.push(`${said.file} is not what it was`)
  }
  return [...wrong, ...[...left].map(name => `${name} is not in the manifest`)]
}

async function digestOf(stream: Readable): Promise<{ bytes: number; sha256: string; sum: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  let sum = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk)
    sum = crc32(chunk, sum)
    bytes += chunk.length
  }
  return { bytes, sha256: hash.digest('hex'), sum }
}
