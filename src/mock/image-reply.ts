import { randomBytes } from 'node:crypto'
import { clientWriter } from './client-writer.ts'
import type { Exchange } from './exchange.ts'
import type { ImageRequest } from './image-request.ts'
import type { Picture } from './pictures.ts'
import { Failure, goThrough, isStruckAt, StreamEnd } from './points.ts'
import { Refusal } from './replies.ts'
import { outputTokens } from './upstream-rules.ts'

const hosted = '/__mock/pictures/'

/** Writes an images reply in the manner of an OAuth or an API-key account, as a stream or at one go. */
export function startImageReply(exchange: Exchange, request: ImageRequest, flavour: 'oauth' | 'api_key') {
  const { state, fault, res } = exchange
  const client = clientWriter(exchange)
  const asStream = request.stream && fault.as !== 'json'
  const withEvents = asStream && fault.as !== 'json_as_stream'
  const prefix = request.edit ? 'image_edit' : 'image_generation'
  const eventLines = fault.eventLines ?? flavour === 'oauth'
  const created = Math.floor(Date.now() / 1000)

  function facts(picture: Picture) {
    return {
      background: request.background === 'transparent' ? 'transparent' : 'opaque',
      output_format: request.outputFormat || 'png',
      quality: request.quality && request.quality !== 'auto' ? request.quality : 'medium',
      size: `${picture.width}x${picture.height}`,
      ...(flavour === 'oauth' && { model: request.model }),
      ...fault.facts,
    }
  }

  function usage(pictures: Picture[]) {
    const output = pictures.reduce((sum, { width, height }) => sum + outputTokens(request.quality, width, height), 0)
    const input = 20 + Math.ceil(request.prompt.length / 4)
    const details =
      flavour === 'oauth'
        ? { output_tokens_details: { image_tokens: output, text_tokens: 0 } }
        : {
            total_tokens: input + output,
            input_tokens_details: { text_tokens: input, image_tokens: 0 },
          }
    return { input_tokens: input, output_tokens: output, ...details }
  }

  /** The field that carries the picture: base64, or an address. */
  function carrier(picture: Picture): [name: string, value: Buffer] {
    if (fault.url === 'http') return ['url', Buffer.from(`${state.url}${host(picture)}`)]
    if (fault.url && fault.url !== 'data') {
      if (fault.url.startsWith(hosted)) host(picture, fault.url)
      return ['url', Buffer.from(fault.url)]
    }
    if (fault.url === 'data' || request.responseFormat === 'url') return ['url', dataUrl(picture)]
    return ['b64_json', picture.base64]
  }

  function dataUrl(picture: Picture) {
    return Buffer.concat([Buffer.from(`data:image/${request.outputFormat || 'png'};base64,`), picture.base64])
  }

  function host(
    picture: Picture,
    path = `${hosted}${randomBytes(8).toString('hex')}.${request.outputFormat || 'png'}`,
  ) {
    state.hosted.set(path, {
      bytes: picture.bytes,
      contentType: `image/${request.outputFormat || 'png'}`,
      refusals: fault.urlRefusals ?? 0,
    })
    const oldest = state.hosted.keys().next().value
    if (state.hosted.size > 50 && oldest) state.hosted.delete(oldest)
    return path
  }

  async function event(name: string, picture: Picture, extra: Record<string, unknown>, middle = false) {
    const type = `${prefix}.${name}`
    const { partial_image_index, ...after } = extra
    const first = JSON.stringify({
      type,
      created_at: created,
      ...(name === 'partial_image' && { partial_image_index }),
    })
    const last = JSON.stringify({ ...facts(picture), ...after })
    const [field, value] = name === 'partial_image' ? (['b64_json', picture.base64] as const) : carrier(picture)
    const lines = eventLines ? `event: ${type}\n` : ''
    client.startStream()
    const [open, close] = namesOf(name === 'partial_image' ? null : fault.field, field)
    await client.write(`${lines}data: ${first.slice(0, -1)},${open}"`)
    if (middle) {
      await client.write(value.subarray(0, value.length >> 1))
      await goThrough(exchange, 'mid_picture')
      await client.write(value.subarray(value.length >> 1))
    } else {
      await client.write(value)
    }
    // OAuth accounts put the data URL beside the base64 in a stream, never in its place.
    const beside =
      name === 'completed' && !fault.url && field === 'url' ? [Buffer.from('","b64_json":"'), picture.base64] : []
    for (const part of beside) await client.write(part)
    await client.write(`"${close},${last.slice(1)}\n\n`)
  }

  async function sendBlanks() {
    if (fault.blanks === undefined) return
    client.startJson()
    for (let i = 0; i < fault.blanks; i++) await client.write(' \n')
  }

  return {
    /** While a call waits for a slot its stream is open already. */
    startEarly() {
      if (!asStream) return
      res.setHeader('X-Accel-Buffering', 'no')
      client.startStream()
    },

    /** Gets the stream ready, or sends the blanks that keep a silent reply alive. */
    async commit() {
      if (!asStream) return sendBlanks()
      if (fault.comments || isStruckAt(fault, 'after_headers')) client.startStream()
      else client.awaitStream()
      for (let i = 0; i < (fault.comments ?? 0); i++) await client.write(':\n\n')
    },

    async partial(picture: Picture, index: number) {
      if (withEvents) await event('partial_image', picture, { partial_image_index: index })
    },

    async completed(picture: Picture, index: number) {
      if (withEvents) await event('completed', picture, { usage: usage([picture]) }, index === 0)
    },

    async end(pictures: Picture[]) {
      if (withEvents) {
        client.startStream()
        if (fault.done ?? flavour === 'api_key') await client.write('data: [DONE]\n\n')
        return client.end()
      }
      const head: Record<string, unknown> = { created }
      const tail = { ...(pictures[0] && facts(pictures[0])), usage: usage(pictures) }
      if (asStream) client.startStream()
      else client.startJson()
      await client.write(`${JSON.stringify(head).slice(0, -1)},"${fault.list ?? 'data'}":[`)
      for (const [index, picture] of pictures.entries()) {
        const [field, value] = carrier(picture)
        const [open, close] = namesOf(fault.field, field)
        await client.write(`${index ? ',' : ''}{${open}"`)
        await client.write(value.subarray(0, value.length >> 1))
        if (index === 0) await goThrough(exchange, 'mid_picture')
        await client.write(value.subarray(value.length >> 1))
        const revised =
          flavour === 'oauth'
            ? `,"revised_prompt":${JSON.stringify(fault.revised ?? `A picture: ${request.prompt}`)}`
            : ''
        await client.write(`"${close}${revised}}`)
      }
      await client.write(`],${JSON.stringify(tail).slice(1)}`)
      client.end()
    },

    /** Tells the client about a failure in whatever form is still possible, and gives it back. */
    failed(error: unknown) {
      if (error instanceof StreamEnd) {
        if (asStream) client.startStream()
        else client.startJson()
        client.end()
      } else if (error instanceof Refusal && res.headersSent) {
        const { body } = error
        const service = error instanceof Failure && error.form === 'service'
        const frame = service ? { type: 'error', ...(body as object) } : body
        client.end(asStream ? `event: error\ndata: ${JSON.stringify(frame)}\n\n` : JSON.stringify(body))
      }
      return error
    },
  }
}

/** What stands around the string of a picture: a relay's name for it, or one inside another. */
function namesOf(named: string | null | undefined, usual: string): [open: string, close: string] {
  const [outer, inner] = (named ?? usual).split('.')
  return inner ? [`"${outer}":{"${inner}":`, '}'] : [`"${outer}":`, '']
}
