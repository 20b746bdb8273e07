import { randomBytes } from 'node:crypto'
import { clientWriter } from './client-writer.ts'
import { type Exchange, fields, text } from './exchange.ts'
import type { Picture } from './pictures.ts'
import { Failure, isStruckAt, StreamEnd } from './points.ts'
import { Refusal } from './replies.ts'

const failureCodes: Record<string, string> = {
  rate_limit_error: 'rate_limit_exceeded',
  invalid_request_error: 'invalid_request',
  permission_error: 'permission_denied',
  authentication_error: 'authentication_failed',
  api_error: 'server_error',
}

/** Writes a response of the Responses API, as events or as one object with the same items. */
export function startResponseReply(exchange: Exchange, request: Record<string, unknown>) {
  const { fault, res } = exchange
  const client = clientWriter(exchange)
  const asStream = request.stream === true && fault.as !== 'json'
  const withEvents = asStream && fault.as !== 'json_as_stream'
  const output: Record<string, unknown>[] = []
  let sequence = 0
  let outputTokens = 0
  const inputTokens = Math.ceil(exchange.body.length / 4)
  const response = {
    id: `resp_${randomBytes(16).toString('hex')}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status: 'in_progress',
    model: text(request.model),
  }

  /** The first two events are held back until there is something to say. */
  async function send(type: string, rest: Record<string, unknown>) {
    if (!withEvents) return
    if (sequence === 0) {
      startStream()
      for (const held of ['response.created', 'response.in_progress'])
        await write(held, { response: { ...response, output: [] } })
    }
    await write(type, rest)
  }

  async function write(type: string, rest: Record<string, unknown>) {
    const line = fault.eventLines === false ? '' : `event: ${type}\n`
    await client.write(`${line}data: ${JSON.stringify({ type, sequence_number: sequence++, ...rest })}\n\n`)
  }

  function whole(status: string) {
    return {
      ...response,
      status,
      output,
      usage: {
        input_tokens: inputTokens,
        output_tokens: outputTokens,
        total_tokens: inputTokens + outputTokens,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens_details: { reasoning_tokens: 0 },
      },
    }
  }

  /** A text that grows: `kind` names its events, `finish` makes the finished item of it; `part` is what holds the text. */
  async function growing(
    item: Record<string, unknown>,
    kind: string,
    place: Record<string, unknown>,
    finish: (text: string) => Record<string, unknown>,
    part?: { kind: string; of: (text: string) => Record<string, unknown> },
  ) {
    const where = { item_id: item.id, output_index: output.length }
    let grown = ''
    await send('response.output_item.added', { output_index: where.output_index, item })
    if (part) await send(`response.${part.kind}.added`, { ...where, ...place, part: part.of('') })
    const extra = kind === 'output_text' ? { logprobs: [] } : {}
    return {
      async delta(piece: string) {
        grown += piece
        outputTokens += Math.ceil(piece.length / 4)
        await send(`response.${kind}.delta`, { ...where, ...place, delta: piece, ...extra })
      },
      async done() {
        const name = kind === 'function_call_arguments' ? 'arguments' : 'text'
        await send(`response.${kind}.done`, { ...where, ...place, [name]: grown, ...extra })
        if (part) await send(`response.${part.kind}.done`, { ...where, ...place, part: part.of(grown) })
        const finished = { ...item, ...finish(grown), status: 'completed' }
        output.push(finished)
        await send('response.output_item.done', { output_index: where.output_index, item: finished })
      },
    }
  }

  return {
    startEarly() {
      if (asStream) startStream()
    },

    async start() {
      if (!asStream) return
      if (fault.comments || isStruckAt(fault, 'after_headers')) startStream()
      else client.awaitStream()
      for (let i = 0; i < (fault.comments ?? 0); i++) await client.write(':\n\n')
    },

    async reasoning(summary: string) {
      const item = { id: newId('rs'), type: 'reasoning', summary: [] }
      const of = (text: string) => ({ type: 'summary_text', text })
      const part = { kind: 'reasoning_summary_part', of }
      const place = { summary_index: 0 }
      const growth = await growing(item, 'reasoning_summary_text', place, text => ({ summary: [of(text)] }), part)
      for (const piece of summary.split(/(?<= )/)) await growth.delta(piece)
      await growth.done()
    },

    message() {
      const item = { id: newId('msg'), type: 'message', role: 'assistant', status: 'in_progress', content: [] }
      const of = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] })
      const part = { kind: 'content_part', of }
      return growing(item, 'output_text', { content_index: 0 }, text => ({ content: [of(text)] }), part)
    },

    functionCall(name: string) {
      const item = {
        id: newId('fc'),
        type: 'function_call',
        call_id: newId('call'),
        name,
        arguments: '',
        status: 'in_progress',
      }
      return growing(item, 'function_call_arguments', {}, text => ({ arguments: text }))
    },

    async drawing(id: string) {
      const where = { item_id: id, output_index: output.length }
      const item = { id, type: 'image_generation_call', status: 'in_progress' }
      const facts = { size: '1024x1024', quality: 'medium', background: 'opaque', output_format: 'png' }
      await send('response.output_item.added', { output_index: where.output_index, item })
      await send('response.image_generation_call.in_progress', where)
      await send('response.image_generation_call.generating', where)
      return {
        async partial({ base64 }: Picture, index: number) {
          const partial_image_b64 = base64.toString('latin1')
          const name = 'response.image_generation_call.partial_image'
          await send(name, { ...where, partial_image_index: index, partial_image_b64, ...facts })
        },
        async done({ base64, width, height }: Picture, prompt: string) {
          const result = base64.toString('latin1')
          const finished = {
            ...item,
            status: 'completed',
            result,
            revised_prompt: prompt,
            ...facts,
            size: `${width}x${height}`,
          }
          output.push(finished)
          await send('response.image_generation_call.completed', where)
          await send('response.output_item.done', { output_index: where.output_index, item: finished })
        },
      }
    },

    count(tokens: number) {
      outputTokens += tokens
    },

    tokens: () => ({ inputTokens, outputTokens }),

    async complete() {
      await send('response.completed', { response: whole('completed') })
      if (withEvents && fault.done) await client.write('data: [DONE]\n\n')
    },

    end() {
      if (withEvents) return client.end()
      if (asStream) startStream()
      else client.startJson()
      client.end(JSON.stringify(whole('completed')))
    },

    /** Tells the client about a failure in whatever form is still possible, and gives it back. */
    failed(error: unknown) {
      if (error instanceof StreamEnd) {
        if (asStream) startStream()
        else client.startJson()
        client.end()
      } else if (error instanceof Refusal && res.headersSent) {
        client.end(frameOf(error))
      }
      return error
    },
  }

  function startStream() {
    if (!res.headersSent) res.setHeader('X-Accel-Buffering', 'no')
    client.startStream()
  }

  function frameOf(error: Refusal) {
    const { type, message, code } = fields(fields(error.body).error)
    if (error instanceof Failure && error.form === 'handler') {
      return `data: ${JSON.stringify({ type: 'error', sequence_number: 0, error: { type, message, code } })}\n\n`
    }
    const reason = { code: code ?? failureCodes[text(type)] ?? text(type), message }
    const failed = { ...response, status: 'failed', output: [], error: reason }
    return `event: response.failed\ndata: ${JSON.stringify({ type: 'response.failed', response: failed })}\n\n`
  }
}

function newId(prefix: string) {
  return `${prefix}_${randomBytes(12).toString('hex')}`
}
