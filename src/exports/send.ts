import { crc32 } from 'node:zlib'
import type { Request, Response } from 'express'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import { parseRange } from '../web/range.ts'
import type { Export, ExportFile } from './queries.ts'
import { layOut, type ZipPart } from './zip.ts'

/** Sends the ZIP of an export that is ready, or a range of it, straight from the store; nothing of it lies anywhere. */
export async function sendExport(
  deps: Pick<Deps, 'storage' | 'log'>,
  req: Request,
  res: Response,
  made: Export,
  files: readonly ExportFile[],
): Promise<void> {
  const parts = layOut(entriesOf(made, files))
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const etag = `"${made.id}"`
  const range = parseRange(req.get('Range'), size, req.get('If-Range'), etag)
  res.attachment(`${made.name}.zip`).type('application/zip')
  res.set({ ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'private, no-cache' })
  if (range === 'unsatisfiable') {
    res.status(416).removeHeader('Content-Disposition')
    return void res.set('Content-Range', `bytes */${size}`).end()
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  if (range) res.status(206).set('Content-Range', `bytes ${start}-${end}/${size}`)
  res.set('Content-Length', String(end - start + 1))
  if (req.method === 'HEAD') return void res.end()
  try {
    await sendParts(deps, parts, start, end, piece => written(res, piece))
    res.end()
  } catch (error) {
    // Half a file must not look like a whole one: the connection breaks, and the reader goes on from there later.
    if (!req.destroyed && !res.closed) deps.log.warn({ err: error, export: made.id }, 'an export broke off')
    res.destroy()
  }
}

/** The manifest stands last: it says what the files before it are. */
function entriesOf(made: Export, files: readonly ExportFile[]) {
  const found = files.filter(file => file.crc32 !== null)
  const manifest = Buffer.from(manifestOf(made, files))
  const at = made.createdAt
  return [
    ...found.map(file => ({ name: file.name, bytes: file.bytes, crc32: file.crc32!, at, content: file.object })),
    { name: 'manifest.json', bytes: manifest.length, crc32: crc32(manifest), at, content: manifest },
  ]
}

/** One line a file, so that a reader need not hold it all. */
function manifestOf(made: Export, files: readonly ExportFile[]): string {
  const pictures = files.filter(({ isPaper }) => !isPaper)
  const lines = pictures.map(({ name, bytes, sha256, isMissing, facts }) =>
    JSON.stringify(
      isMissing ? { missing: name, ...facts } : { file: name, bytes, sha256: sha256!.toString('hex'), ...facts },
    ),
  )
  const papers = files
    .filter(({ isPaper }) => isPaper)
    .map(({ name, bytes, sha256 }) => JSON.stringify({ file: name, bytes, sha256: sha256!.toString('hex') }))
  const head = { format: 'sub2api-playground-export', version: 1, made_at: made.createdAt, files: files.length }
  return `${JSON.stringify(head).slice(0, -1)},"pictures":[\n${lines.join(',\n')}\n],"papers":[\n${papers.join(',\n')}\n]}\n`
}

async function sendParts(
  { storage }: Pick<Deps, 'storage'>,
  parts: readonly ZipPart[],
  start: number,
  end: number,
  put: (piece: Buffer) => Promise<void>,
): Promise<void> {
  let offset = 0
  for (const { size, content } of parts) {
    const [from, to] = [Math.max(start - offset, 0), Math.min(end - offset, size - 1)]
    offset += size
    if (from >= size) continue
    if (to < 0) return
    if (typeof content !== 'string') await put(content.subarray(from, to + 1))
    else {
      const whole = await storage.take(content, put, { start: from, end: to })
      // Deleted since it was asked for.
      if (whole !== size) throw new Refusal(404, 'errors.not_found')
    }
  }
}

/** Done when the bytes have left this process: not before that may their memory hold others. */
function written(res: Response, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new Error('the reader went away'))
    if (res.closed) return leave()
    res.once('close', leave)
    res.write(bytes, error => {
      res.off('close', leave)
      if (error) reject(error)
      else resolve()
    })
  })
}
