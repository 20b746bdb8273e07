import type { Secret } from '../secrets/secret.ts'
import type { Http } from './http.ts'
import { failed, failureOf, refusedReply } from './model-call.ts'
import { type Caller, callerHeaders, type OnCall, requestIdOf } from './panel.ts'
import { readMessages } from './picture-messages.ts'
import { eventsOf, leftOver, nothingHeard, type ResponseEvent } from './response-events.ts'

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

// A text may hold a picture, and comes whole again behind its parts.
const limits = { picture: 32 * 1024 * 1024, pictures: 16, text: 4 * 1024 * 1024 }
const pictureKeys: ReadonlySet<string> = new Set(['result', 'partial_image_b64'])

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

async function* readCall(
  deps: ResponseDeps,
  caller: Caller,
  apiKey: Secret,
  body: string,
  signal: AbortSignal,
): AsyncGenerator<ResponseEvent, void, undefined> {
  const { timeouts } = deps
  const context = nothingHeard(apiKey, limits.picture)
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
    for await (const message of readMessages(reply.body, pictureKeys, limits)) {
      yield* eventsOf(message, context)
      if (context.finished) return
    }
    throw failed(context, 'upstream', { detail: 'the reply ended without saying that it was complete' })
  } catch (error) {
    yield* leftOver(context)
    throw failureOf(context, error)
  } finally {
    context.reply?.close()
    deps.onCall({ name: 'responses', status: context.reply?.status ?? 0, ms: performance.now() - started })
  }
}
