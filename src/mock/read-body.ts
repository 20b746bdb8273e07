import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import type { Exchange } from './exchange.ts'
import { gatewayRefusal } from './replies.ts'

const decoders: Record<string, (body: Buffer) => Buffer> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  zstd: zstdDecompressSync,
}

/** Reads the body and parses it by its content type; refuses one that is too large, with what is announced or what comes. */
export async function readBody(exchange: Exchange): Promise<void> {
  const { req, res, state } = exchange
  const limit = state.settings.bodyLimitBytes
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) throw tooLarge()
    chunks.push(chunk)
  }
  const decode = decoders[req.headers['content-encoding'] ?? '']
  const body = Buffer.concat(chunks)
  exchange.body = decode ? decode(body) : body

  const contentType = req.headers['content-type'] ?? ''
  if (contentType.startsWith('multipart/form-data')) {
    const parsed = new Response(new Uint8Array(exchange.body), { headers: { 'Content-Type': contentType } })
    exchange.form = await parsed.formData().catch(() => null)
  } else if (exchange.body.length > 0) {
    try {
      exchange.json = JSON.parse(exchange.body.toString())
    } catch {
      exchange.json = undefined
    }
  }

  function tooLarge() {
    res.setHeader('Connection', 'close')
    const shown = limit >= 1024 ** 2 ? `${Math.round(limit / 1024 ** 2)}MB` : `${limit}B`
    return gatewayRefusal(413, 'invalid_request_error', `Request body too large, limit is ${shown}`)
  }
}
