import { randomBytes } from 'node:crypto'
import { answerTo } from './answers.ts'
import { charge, checkMoneyAgain } from './billing.ts'
import { type Exchange, fields, text } from './exchange.ts'
import { checkKey } from './key-check.ts'
import { checkMapped } from './models.ts'
import { drawPicture, type Picture } from './pictures.ts'
import { goThrough } from './points.ts'
import { gatewayRefusal } from './replies.ts'
import { startResponseReply } from './response-reply.ts'
import { takeSlot } from './slots.ts'
import { pause } from './state.ts'
import { outputTokens } from './upstream-rules.ts'

type Reply = ReturnType<typeof startResponseReply>

/** `POST /v1/responses`: the checks in the gateway's order, then an answer, streamed or whole. */
export async function createResponse(exchange: Exchange) {
  const { state, call } = exchange
  const caller = checkKey(exchange)
  const request = readRequest(exchange)
  if (wantsPicture(request) && caller.group.allow_image_generation === false) {
    throw gatewayRefusal(403, 'permission_error', 'Image generation is not enabled for this group')
  }
  checkToolOutputs(request)
  const startedAt = performance.now()
  const reply = startResponseReply(exchange, request)
  let giveBack = () => {}
  try {
    giveBack = await takeSlot(state, caller, () => {
      state.ledger.set(call, { state: 'queued' })
      reply.startEarly()
    })
    checkMoneyAgain(caller)
    if (caller.group.platform !== 'openai') {
      throw gatewayRefusal(503, 'api_error', 'Service temporarily unavailable')
    }
    checkMapped(caller.group, text(request.model))
    if (!/^(gpt-|codex|o\d)/.test(text(request.model))) {
      const message = `Model "${text(request.model)}" is not supported by any configured account in this group`
      throw gatewayRefusal(404, 'model_not_found', message)
    }
    state.ledger.set(call, { state: 'running' })
    const pictures = await answer(exchange, request, reply)
    charge(exchange, caller, {
      model: pictures.length ? 'gpt-image-2' : text(request.model),
      stream: request.stream === true,
      startedAt,
      ...(pictures.length && {
        pictures: {
          count: pictures.length,
          sizes: pictures.map(({ width, height }) => `${width}x${height}`),
          asked: '',
        },
      }),
      ...reply.tokens(),
    })
    reply.end()
  } catch (error) {
    throw reply.failed(error)
  } finally {
    giveBack()
  }
}

/** Writes the answer item by item; the pictures it made. */
async function answer(exchange: Exchange, request: Record<string, unknown>, reply: Reply): Promise<Picture[]> {
  const { fault, state } = exchange
  await reply.start()
  await goThrough(exchange, 'after_headers')
  const given = fault.functionCall
    ? { toolCall: fault.functionCall }
    : fault.answer !== undefined
      ? { text: fault.answer }
      : answerTo(request)
  const totalMs = (state.settings.latencyMs / 2) * (fault.slower ?? 1)
  await pause(state, totalMs * 0.2)
  if (fields(request.reasoning).summary) {
    await reply.reasoning('**Reading the request**\n\nThe last message says what is wanted; the rest is context.')
  }
  if ('drawing' in given) return [await draw(exchange, request, given.drawing, reply, totalMs)]

  const whole = 'text' in given ? given.text : given.toolCall.arguments
  const pieces = piecesOf(whole)
  const item = 'text' in given ? await reply.message() : await reply.functionCall(given.toolCall.name)
  for (const [index, piece] of pieces.entries()) {
    await pause(state, (totalMs * 0.8) / pieces.length)
    await item.delta(piece)
    if (index === 0) await goThrough(exchange, 'after_partial')
    if (index === pieces.length >> 1) await goThrough(exchange, 'mid_picture')
  }
  await item.done()
  await goThrough(exchange, 'before_completed')
  await reply.complete()
  await goThrough(exchange, 'after_completed')
  await goThrough(exchange, 'before_end')
  return []
}

async function draw(
  exchange: Exchange,
  request: Record<string, unknown>,
  tool: Record<string, unknown>,
  reply: Reply,
  totalMs: number,
) {
  const { state, call } = exchange
  const size = /^(\d+)x(\d+)$/.exec(text(tool.size)) ?? [0, 1024, 1024]
  const prompt = call?.prompt || text(request.prompt) || 'picture'
  const spec = {
    prompt,
    variation: 0,
    width: Number(size[1]),
    height: Number(size[2]),
    format: 'png' as const,
    quality: 90,
    transparent: false,
    inputs: [],
    mask: null,
    mode: state.settings.pictures,
  }
  const item = await reply.drawing(`ig_${randomBytes(8).toString('hex')}`)
  const partials = Number(tool.partial_images ?? 0)
  for (let index = 0; index < partials; index++) {
    await pause(state, totalMs / partials)
    await item.partial(await drawPicture({ ...spec, progress: index / partials }), index)
    if (index === 0) await goThrough(exchange, 'after_partial')
  }
  const picture = await drawPicture({ ...spec, progress: 1 })
  await goThrough(exchange, 'before_completed')
  await item.done(picture, prompt)
  reply.count(outputTokens('medium', picture.width, picture.height))
  await reply.complete()
  return picture
}

function readRequest({ body, json }: Exchange): Record<string, unknown> {
  if (body.length === 0) throw invalid('Request body is empty')
  if (json === undefined) throw invalid('Failed to parse request body')
  const request = fields(json)
  if (!text(request.model)) throw invalid('model is required')
  if (request.stream !== undefined && typeof request.stream !== 'boolean') throw invalid('invalid stream field type')
  const previous = text(request.previous_response_id)
  if (previous && !previous.startsWith('resp_')) {
    throw invalid('previous_response_id must be a response.id (resp_*), not a message id')
  }
  if (previous) {
    throw invalid('previous_response_id requires an OpenAI API-key account for HTTP requests')
  }
  return request
}

function wantsPicture(request: Record<string, unknown>) {
  const tools = Array.isArray(request.tools) ? request.tools.map(fields) : []
  return (
    tools.some(tool => tool.type === 'image_generation') ||
    text(request.model).startsWith('gpt-image-') ||
    fields(request.tool_choice).type === 'image_generation'
  )
}

/** Each tool output needs the call it answers, in the same input or by reference. */
function checkToolOutputs(request: Record<string, unknown>) {
  const items = Array.isArray(request.input) ? request.input.map(fields) : []
  const outputs = items.filter(item => item.type === 'function_call_output')
  const rest = 'on HTTP requests; continuation via previous_response_id is only supported on Responses WebSocket v2'
  if (outputs.some(output => !output.call_id)) throw invalid(`function_call_output requires call_id ${rest}`)
  const hasCall = items.some(item => item.type === 'function_call')
  const referenced = new Set(items.filter(item => item.type === 'item_reference').map(item => item.id))
  if (outputs.length === 0 || hasCall || outputs.every(output => referenced.has(output.call_id))) return
  throw invalid(`function_call_output requires item_reference ids matching each call_id ${rest}`)
}

/** The text in up to forty pieces, as a model would send them. */
function piecesOf(whole: string) {
  const size = Math.max(4, Math.ceil(whole.length / 40))
  const pieces: string[] = []
  for (let at = 0; at < whole.length; at += size) pieces.push(whole.slice(at, at + size))
  return pieces.length ? pieces : ['']
}

function invalid(message: string) {
  return gatewayRefusal(400, 'invalid_request_error', message)
}
