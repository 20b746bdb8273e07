import { randomBytes } from 'node:crypto'

/** A file of a form, read only when it is sent. */
export interface FilePart {
  field: string
  fileName: string
  contentType: string
  /** Bytes; the form's length is told beforehand. */
  size: number
  open(): Promise<AsyncIterable<Uint8Array>>
}

interface Multipart {
  contentType: string
  contentLength: number
  body: AsyncIterable<Uint8Array>
}

/** A `multipart/form-data` body (RFC 7578) that is never in memory as a whole. Fields that are undefined are left out. */
export function multipart(fields: Record<string, string | number | boolean | undefined>, files: FilePart[]): Multipart {
  const boundary = `playground-${randomBytes(18).toString('hex')}`
  const heads = [
    ...Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ({ text: `${head(boundary, `name="${name}"`)}\r\n${value}`, file: null })),
    ...files.map(file => ({
      text: `${head(boundary, `name="${file.field}"; filename="${file.fileName}"`)}Content-Type: ${file.contentType}\r\n\r\n`,
      file,
    })),
  ].map(part => ({ head: Buffer.from(part.text), file: part.file }))
  const end = Buffer.from(`--${boundary}--\r\n`)
  const lineBreak = Buffer.from('\r\n')

  async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const part of heads) {
      yield part.head
      if (part.file) yield* await part.file.open()
      yield lineBreak
    }
    yield end
  }

  const partLength = (part: (typeof heads)[number]) => part.head.length + (part.file?.size ?? 0) + lineBreak.length
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: heads.reduce((sum, part) => sum + partLength(part), end.length),
    body: body(),
  }
}

function head(boundary: string, disposition: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`
}
