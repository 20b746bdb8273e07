import type { Secret } from '../secrets/secret.ts'
import { type FailureFacts, type FailureReason, GatewayError } from './errors.ts'
import { type Http, type HttpReply, readBody, Unanswered } from './http.ts'
import { type Caller, callerHeaders, type OnCall, requestIdOf } from './panel.ts'
import { type Message, readMessages } from './picture-messages.ts'
import { fieldsOf, parseRefusal, readRefusal, refusalError, retryAt, string } from './refusals.ts'
import { scrub } from './scrub.ts'

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
export interface InputText {
  type: 'input_text'
  text: string
}
/** `image_url`: a data URL. */
export interface InputImage {
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

export interface ResponseDeps {
  http: Http
  timeouts: { streamHeaders: number; idle: number; total: number }
  onCall: OnCall
}

const limits = { picture: 32 * 1024 * 1024, pictures: 16, text: 8 * 1024 * 1024 }
const noPictures: ReadonlySet<string> = new Set()
const longestRefusal = 1024 * 1024

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

/** What has come so far: for the verdict on money, and so that nothing is told twice. */
interface Progress {
  reply: HttpReply | null
  /** The text of each part of the answer, by its place. */
  texts: Map<string, string>
  lastText: string | null
  lastReasoning: string | null
  calls: Set<string>
  finished: boolean
}

interface Context {
  progress: Progress
  apiKey: Secret
}

async function* readCall(
  deps: ResponseDeps,
  caller: Caller,
  apiKey: Secret,
  body: string,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, undefined> {
  const { timeouts } = deps
  const progress: Progress = {
    reply: null,
    texts: new Map(),
    lastText: null,
    lastReasoning: null,
    calls: new Set(),
    finished: false,
  }
  const context = { progress, apiKey }
  const started = performance.now()
  try {
    progress.reply = await deps.http.send({
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
    if (progress.reply.status < 200 || progress.reply.status > 299)
      throw await readRefusedReply(context, progress.reply)
    yield { type: 'accepted', requestId: requestIdOf(progress.reply) ?? null }
    for await (const message of readMessages(progress.reply.body, noPictures, limits)) {
      yield* eventsOf(message, context)
      if (progress.finished) return
    }
    throw failed(context, 'upstream', { detail: 'the reply ended without saying that it was complete' })
  } catch (error) {
    throw failureOf(error, context)
  } finally {
    progress.reply?.close()
    deps.onCall({ name: 'responses', status: progress.reply?.status ?? 0, ms: performance.now() - started })
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
      return yield* textOf(context, placeOf(json), string(json.delta))
    case 'response.output_text.done':
      return yield* restOf(context, placeOf(json), string(json.text))
    case 'response.refusal.done':
      return yield* restOf(context, placeOf(json), string(json.refusal))
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
      throw refused(context, message.json)
  }
  if (json.error) throw refused(context, message.json)
  // A whole response although a stream was asked for: some upstreams ignore `stream`.
  if (message.kind === 'body' && Array.isArray(json.output)) {
    if (json.status === 'failed') throw refused(context, { response: json })
    yield* finish(context, json, json.status === 'incomplete' ? 'incomplete' : 'completed')
  }
}

function* textOf({ progress }: Context, place: string, delta: string): Generator<ResponseEvent, void, undefined> {
  if (delta === '') return
  const apart = progress.lastText !== null && progress.lastText !== place
  progress.lastText = place
  progress.texts.set(place, (progress.texts.get(place) ?? '') + delta)
  yield { type: 'text', delta: apart ? `\n\n${delta}` : delta }
}

/** What a part's final text has beyond its deltas: all of it where an upstream sends none. */
function* restOf(context: Context, place: string, whole: string): Generator<ResponseEvent, void, undefined> {
  const heard = context.progress.texts.get(place) ?? ''
  if (whole.startsWith(heard)) yield* textOf(context, place, whole.slice(heard.length))
}

function* reasoningOf({ progress }: Context, json: Record<string, unknown>): Generator<ResponseEvent, void, undefined> {
  const delta = string(json.delta)
  if (delta === '') return
  const place = JSON.stringify([json.output_index, json.summary_index ?? json.content_index])
  const apart = progress.lastReasoning !== null && progress.lastReasoning !== place
  progress.lastReasoning = place
  yield { type: 'reasoning', delta: apart ? `\n\n${delta}` : delta }
}

function* callOf({ progress }: Context, item: Record<string, unknown>): Generator<ResponseEvent, void, undefined> {
  const callId = string(item.call_id)
  if (item.type !== 'function_call' || callId === '' || progress.calls.has(callId)) return
  progress.calls.add(callId)
  yield { type: 'call', callId, name: string(item.name), arguments: string(item.arguments) }
}

function* finish(
  context: Context,
  response: Record<string, unknown>,
  status: 'completed' | 'incomplete',
): Generator<ResponseEvent, void, undefined> {
  const { progress } = context
  const items = Array.isArray(response.output) ? response.output.map(fieldsOf) : []
  // Gateways rebuild `output`, so its places are not those of the events: it only counts where no event told the text.
  const isSilent = progress.texts.size === 0
  for (const [index, item] of items.entries()) {
    const parts = isSilent && item.type === 'message' && Array.isArray(item.content) ? item.content.map(fieldsOf) : []
    for (const [part, { text, refusal }] of parts.entries()) {
      yield* textOf(context, `${index}:${part}`, string(text) || string(refusal))
    }
    yield* callOf(context, item)
  }
  progress.finished = true
  const reason = string(fieldsOf(response.incomplete_details).reason).slice(0, 100) || null
  yield { type: 'finished', status, reason, usage: usageOf(fieldsOf(response.usage)) }
}

function placeOf(json: Record<string, unknown>): string {
  return JSON.stringify([json.output_index ?? json.item_id, json.content_index])
}

function usageOf(usage: Record<string, unknown>): TokenUsage | null {
  if (Object.keys(usage).length === 0) return null
  const count = (value: unknown) => (typeof value === 'number' && Number.isSafeInteger(value) ? value : null)
  return {
    inputTokens: count(usage.input_tokens),
    cachedTokens: count(fieldsOf(usage.input_tokens_details).cached_tokens),
    outputTokens: count(usage.output_tokens),
    reasoningTokens: count(fieldsOf(usage.output_tokens_details).reasoning_tokens),
  }
}

async function readRefusedReply(context: Context, reply: HttpReply): Promise<GatewayError> {
  let text = ''
  try {
    text = (await readBody(reply, longestRefusal)).toString('utf8')
  } catch (error) {
    if (!(error instanceof Unanswered || error instanceof RangeError)) throw error
    if (error instanceof Unanswered && error.kind === 'aborted') throw error
  }
  return refusalError(parseRefusal(text), refusalContext(context))
}

function refused(context: Context, json: unknown): GatewayError {
  return refusalError(readRefusal(json) ?? parseRefusal('an error without words'), refusalContext(context))
}

function refusalContext({ progress, apiKey }: Context) {
  const reply = progress.reply!
  return {
    status: reply.status,
    requestId: requestIdOf(reply),
    retryAt: retryAt(reply.header('retry-after')),
    previewed: hasBegun(progress),
    secrets: [apiKey],
  }
}

/** The model was at work: what it wrote may be billed, however the call ends. */
function hasBegun(progress: Progress): boolean {
  return progress.texts.size > 0 || progress.lastReasoning !== null || progress.calls.size > 0
}

function failureOf(error: unknown, context: Context): unknown {
  if (error instanceof RangeError) return failed(context, 'upstream', { detail: error.message }, error)
  if (error instanceof SyntaxError) return failed(context, 'upstream', { detail: 'the reply is not JSON' }, error)
  if (!(error instanceof Unanswered)) return error
  const reason = {
    aborted: 'interrupted',
    timeout: 'timeout',
    unreachable: 'gateway_down',
    cut: 'gateway_down',
  } as const
  const facts: Partial<FailureFacts> = error.sent ? {} : { charged: 'no', mayRetry: error.kind === 'unreachable' }
  return failed(context, reason[error.kind], { detail: error.message, ...facts }, error)
}

/** A failure without a verdict of the gateway: whether it will be billed is not known. */
function failed(context: Context, reason: FailureReason, facts: Partial<FailureFacts>, cause?: unknown): GatewayError {
  const { reply } = context.progress
  const all: FailureFacts = {
    charged: 'unknown',
    mayRetry: false,
    requestId: reply ? requestIdOf(reply) : undefined,
    status: reply?.status,
    ...facts,
  }
  return new GatewayError(reason, { ...all, detail: all.detail && scrub(all.detail, [context.apiKey]) }, { cause })
}
