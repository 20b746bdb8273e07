import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { RequestHandler } from 'express'

const root = path.join(import.meta.dirname, '../..')
const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
}

interface StaticFile {
  type: string
  body: Buffer
  /** Compressed at first use, then kept. */
  encoded: Map<string, Buffer>
}

/** The files of `public/` and htmx from its package, under one address that changes with any of them. */
export interface StaticFiles {
  /** Address of a file by its path in `public/`, e.g. `css/base.css`; throws for a file that is not there. */
  url(file: string): string
  handler: RequestHandler
}

export function loadStaticFiles(): StaticFiles {
  const files = new Map<string, StaticFile>()
  const folder = path.join(root, 'public')
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const full = path.join(entry.parentPath, entry.name)
    add(files, path.relative(folder, full).split(path.sep).join('/'), readFileSync(full))
  }
  for (const [name, file] of files) if (name.endsWith('.css')) file.body = withImports(name, file.body)
  add(files, 'js/hx-sse.js', readFileSync(path.join(root, 'node_modules/htmx.org/dist/ext/hx-sse.min.js')))
  add(files, 'js/htmx.js', readFileSync(path.join(root, 'node_modules/htmx.org/dist/htmx.min.js')))

  const hash = createHash('sha256')
  for (const [name, file] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(name).update(file.body)
  const prefix = `/static/${hash.digest('base64url').slice(0, 12)}/`

  return {
    url(name) {
      if (!files.has(name)) throw new Error(`no such static file: ${name}`)
      return prefix + name
    },
    handler(req, res, next) {
      const file = req.path.startsWith(prefix) ? files.get(req.path.slice(prefix.length)) : undefined
      if (!file || (req.method !== 'GET' && req.method !== 'HEAD')) return next()
      const encoding = file.type.startsWith('image/png') ? undefined : req.acceptsEncodings(['br', 'gzip'])
      const body = encode(file, encoding || 'identity')
      res.set({
        'Content-Type': file.type,
        'Cache-Control': 'public, max-age=31536000, immutable',
        Vary: 'Accept-Encoding',
        'Content-Length': String(body.length),
        'X-Content-Type-Options': 'nosniff',
      })
      if (encoding) res.set('Content-Encoding', encoding)
      res.end(req.method === 'HEAD' ? undefined : body)
    },
  }
}

function add(files: Map<string, StaticFile>, name: string, body: Buffer): void {
  files.set(name, { type: types[path.extname(name)] ?? 'application/octet-stream', body, encoded: new Map() })
}

/** A stylesheet with the components that it lists in place of their names, so that a page asks once. */
function withImports(name: string, css: Buffer): Buffer {
  const text = css.toString().replace(/^@import "(.+)" layer\((\w+)\);$/gm, (_, file: string, layer: string) => {
    const component = readFileSync(path.join(root, 'public', path.dirname(name), file), 'utf8')
    return `@layer ${layer} {\n${component}}`
  })
  return Buffer.from(text)
}

function encode(file: StaticFile, encoding: string): Buffer {
  if (encoding === 'identity') return file.body
  const known = file.encoded.get(encoding)
  if (known) return known
  const body =
    encoding === 'br'
      ? brotliCompressSync(file.body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
      : gzipSync(file.body, { level: 9 })
  file.encoded.set(encoding, body)
  return body
}
