import { storable } from '../db/storable.ts'
import type { Secret } from '../secrets/secret.ts'
import type { Http } from './http.ts'
import { failed, failureOf, type ModelCall, refusedInside, refusedReply } from './model-call.ts'
import { type Caller, callerHeaders, type OnCall, requestIdOf } from './panel.ts'
import { type Message, readMessages } from './picture-messages.ts'
import { fieldsOf, string } from './refusals.ts'

/** One model call with the whole history in it: the gateway keeps nothing between calls. */
export interface ResponseRequest {
  model: string
  /** Never blank: the gateway would put another product's prompt there. */
  instructions: string
  input: readonly InputItem[]
  tools?: readonly FunctionTool[] | undefined
  /** `none`, `low`, `medium`, `high`, `xhigh`; undefined: not sent, for models that do not reason. */
  effort?: string | undefined
}

export type InputItem =
  | { type: 'message'; role: 'user'; content: (InputText | InputImage)[] }
  | { type: 'message'; role: 'assistant'; content: { type: 'output_text'; text: string }[] }
  | { type: 'function_call'; call_id: string; name: string; arguments: string }
  | { type: 'function_call_output'; call_id: string; output: string }
interface InputText {
  type: 'input_text'
  text: string
}
/** `image_url`: a data URL. */
interface InputImage {
  type: 'input_image'
  image_url: string
}

export interface FunctionTool {
  type: 'function'
  name: string
  description: string
  /** JSON schema; with `strict` every property is required and no other is allowed. */
  parameters: Record<string, unknown>
  strict: boolean
}

export interface TokenUsage {
  inputTokens: number | null
  cachedTokens: number | null
  outputTokens: number | null
  reasoningTokens: number | null
}

export type ResponseEvent =
  /** The gateway took the request (status 200). */
  | { type: 'accepted'; requestId: string | null }
  /** More of the answer; a refusal in the model's words is an answer too. */
  | { type: 'text'; delta: string }
  /** More of the summary of the model's reasoning. */
  | { type: 'reasoning'; delta: string }
  /** A whole function call; `arguments` is what the model wrote and may be no JSON. */
  | { type: 'call'; callId: string; name: string; arguments: string }
  /** Always last. `incomplete`: the model was cut off, `reason` says by what (`max_output_tokens`, `content_filter`). */
  | { type: 'finished'; status: 'completed' | 'incomplete'; reason: string | null; usage: TokenUsage | null }

/**
 * The events of one `POST /v1/responses`, streamed. Ends after `finished`, or throws GatewayError; reading sends the
 * request, and leaving the loop early closes the connection (the gateway goes on, and bills).
 */
export type ResponseCall = AsyncIterable<ResponseEvent>

interface ResponseDeps {
  http: Http
  timeouts: { streamHeaders: number; idle: number; total: number }
  onCall: OnCall
}

const limits = { picture: 32 * 1024 * 1024, pictures: 16, text: 8 * 1024 * 1024 }
// What Postgres' integers hold; anything above is no count.
const MOST_TOKENS = 2 ** 31 - 1
const noPictures: ReadonlySet<string> = new Set()

export function responseCalls(deps: ResponseDeps) {
  return (caller: Caller, apiKey: Secret, request: ResponseRequest, options: { signal: AbortSignal }): ResponseCall => {
    if (request.instructions.trim() === '') throw new TypeError('a response needs instructions')
    return readCall(deps, caller, apiKey, JSON.stringify(bodyOf(request)), options.signal)
  }
}

function bodyOf(request: ResponseRequest) {
  const { model, instructions, input, tools, effort } = request
  return {
    model,
    instructions,
    input,
    stream: true,
    store: false,
    ...(tools && tools.length > 0 && { tools, tool_choice: 'auto', parallel_tool_calls: false }),
    ...(effort && { reasoning: { effort, ...(effort !== 'none' && { summary: 'auto' }) } }),
  }
}

/** What has come so far, so that nothing is told twice. */
interface Context extends ModelCall {
  /** The text of each part of the answer, by its place. */
  texts: Map<string, string>
  lastText: string | null
  lastReasoning: string | null
  calls: Set<string>
  finished: boolean
}

async function* readCall(
  deps: ResponseDeps,
  caller: Caller,
  apiKey: Secret,
  body: string,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, undefined> {
  const { timeouts } = deps
  const context: Context = {
    apiKey,
    reply: null,
    completed: 0,
    begun: false,
    texts: new Map(),
    lastText: null,
    lastReasoning: null,
    calls: new Set(),
    finished: false,
  }
  const started = performance.now()
  try {
    const reply = await deps.http.send({
      method: 'POST',
      path: '/v1/responses',
      headers: {
        accept: 'text/event-stream, application/json',
        'content-type': 'application/json',
        ...callerHeaders(caller, apiKey),
      },
      body,
      signal,
      timeouts: { headers: timeouts.streamHeaders, idle: timeouts.idle, total: timeouts.total },
    })
    context.reply = reply
    if (reply.status < 200 || reply.status > 299) throw await refusedReply(context, reply)
    yield { type: 'accepted', requestId: requestIdOf(reply) ?? null }
    for await (const message of readMessages(reply.body, noPictures, limits)) {
      yield* eventsOf(message, context)
      if (context.finished) return
    }
    throw failed(context, 'upstream', { detail: 'the reply ended without saying that it was complete' })
  } catch (error) {
    throw failureOf(context, error)
  } finally {
    context.reply?.close()
    deps.onCall({ name: 'responses', status: context.reply?.status ?? 0, ms: performance.now() - started })
  }
}

function* eventsOf(message: Message, context: Context): Generator<ResponseEvent, void, undefined> {
  if (message.kind === 'early') return
  const json = fieldsOf(message.json)
  const type = string(json.type) || (message.kind === 'event' ? message.event : '')
  const response = fieldsOf(json.response)
  switch (type) {
    case 'response.output_text.delta':
    case 'response.refusal.delta':
      return yield* textOf(context, placeOf(json), words(json.delta))
    case 'response.output_text.done':
      return yield* restOf(context, placeOf(json), words(json.text))
    case 'response.refusal.done':
      return yield* restOf(context, placeOf(json), words(json.refusal))
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_text.delta':
      return yield* reasoningOf(context, json)
    case 'response.output_item.done':
      return yield* callOf(context, fieldsOf(json.item))
    case 'response.completed':
    case 'response.incomplete':
      return yield* finish(context, response, type === 'response.completed' ? 'completed' : 'incomplete')
    case 'response.failed':
    case 'error':
      throw refusedInside(context, message.json)
  }
  if (json.error) throw refusedInside(context, message.json)
  // A whole response although a stream was asked for: some upstreams ignore `stream`.
  if (message.kind === 'body' && Array.isArray(json.output)) {
    if (json.status === 'failed') throw refusedInside(context, { response: json })
    yield* finish(context, json, json.status === 'incomplete' ? 'incomplete' : 'completed')
  }
}

function* textOf(context: Context, place: string, delta: string): Generator<ResponseEvent, void, undefined> {
  if (delta === '') return
  const apart = context.lastText !== null && context.lastText !== place
  context.begun = true
  context.lastText = place
  context.texts.set(place, (context.texts.get(place) ?? '') + delta)
  yield { type: 'text', delta: apart ? `\n\n${delta}` : delta }
}

/** What a part's final text has beyond its deltas: all of it where an upstream sends none. */
function* restOf(context: Context, place: string, whole: string): Generator<ResponseEvent, void, undefined> {
  const heard = context.texts.get(place) ?? ''
  if (whole.startsWith(heard)) yield* textOf(context, place, whole.slice(heard.length))
}

function* reasoningOf(context: Context, json: Record<string, unknown>): Generator<ResponseEvent, void, undefined> {
  const delta = words(json.delta)
  if (delta === '') return
  const place = JSON.stringify([json.output_index, json.summary_index ?? json.content_index])
  const apart = context.lastReasoning !== null && context.lastReasoning !== place
  context.begun = true
  context.lastReasoning = place
  yield { type: 'reasoning', delta: apart ? `\n\n${delta}` : delta }
}

function* callOf(context: Context, item: Record<string, unknown>): Generator<ResponseEvent, void, undefined> {
  const callId = string(item.call_id)
  if (item.type !== 'function_call' || callId === '' || context.calls.has(callId)) return
  context.begun = true
  context.calls.add(callId)
  const [name, json] = [storable(string(item.name)), storable(string(item.arguments))]
  yield { type: 'call', callId: storable(callId), name, arguments: json }
}

function* finish(
  context: Context,
  response: Record<string, unknown>,
  status: 'completed' | 'incomplete',
): Generator<ResponseEvent, void, undefined> {
  const items = Array.isArray(response.output) ? response.output.map(fieldsOf) : []
  // Gateways rebuild `output`, so its places are not those of the events: it only counts where no event told the text.
  const isSilent = context.texts.size === 0
  for (const [index, item] of items.entries()) {
    const parts = isSilent && item.type === 'message' && Array.isArray(item.content) ? item.content.map(fieldsOf) : []
    for (const [part, { text, refusal }] of parts.entries()) {
      yield* textOf(context, `${index}:${part}`, words(text) || words(refusal))
    }
    yield* callOf(context, item)
  }
  context.finished = true
  const reason = storable(string(fieldsOf(response.incomplete_details).reason).slice(0, 100)) || null
  yield { type: 'finished', status, reason, usage: usageOf(fieldsOf(response.usage)) }
}

/** Words as they are kept: without NUL, but with the halves of a pair that two deltas may share. */
function words(value: unknown): string {
  return string(value).replaceAll('\0', '')
}

function placeOf(json: Record<string, unknown>): string {
  return JSON.stringify([json.output_index ?? json.item_id, json.content_index])
}

function usageOf(usage: Record<string, unknown>): TokenUsage | null {
  if (Object.keys(usage).length === 0) return null
  const count = (value: unknown) => (Number.isInteger(value) && Number(value) <= MOST_TOKENS ? Number(value) : null)
  return {
    inputTokens: count(usage.input_tokens),
    cachedTokens: count(fieldsOf(usage.input_tokens_details).cached_tokens),
    outputTokens: count(usage.output_tokens),
    reasoningTokens: count(fieldsOf(usage.output_tokens_details).reasoning_tokens),
  }
}
