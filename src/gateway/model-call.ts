import type { Secret } from '../secrets/secret.ts'
import { type FailureFacts, type FailureReason, GatewayError } from './errors.ts'
import { type HttpReply, readBody, Unanswered } from './http.ts'
import { requestIdOf } from './panel.ts'
import { movedTo, parseRefusal, type RefusalContext, readRefusal, refusalError, retryAt } from './refusals.ts'
import { scrub } from './scrub.ts'

/** A call that may be paid for, and what it has come to: when it fails, this decides what it cost. */
export interface ModelCall {
  apiKey: Secret
  reply: HttpReply | null
  /** Pictures that came whole. */
  completed: number
  /** Whether the model was seen at work. */
  begun: boolean
}

const longestRefusal = 1024 * 1024

/** The error for a reply whose status is not 2xx. Throws `Unanswered` when the caller gave up meanwhile. */
export async function refusedReply(call: ModelCall, reply: HttpReply): Promise<GatewayError> {
  let text = ''
  try {
    text = (await readBody(reply, longestRefusal)).toString('utf8')
  } catch (error) {
    if (!(error instanceof Unanswered || error instanceof RangeError)) throw error
    if (error instanceof Unanswered && error.kind === 'aborted') throw error
  }
  return refusalError(parseRefusal(text), contextOf(call, reply))
}

/** The error for a refusal inside a reply that began well. */
export function refusedInside(call: ModelCall, json: unknown): GatewayError {
  return refusalError(readRefusal(json) ?? parseRefusal('an error without words'), contextOf(call, call.reply!))
}

/** A failure without a verdict of the gateway: a picture that came was billed; otherwise nobody knows. */
export function failed(
  { apiKey, reply, completed }: ModelCall,
  reason: FailureReason,
  facts: Partial<FailureFacts>,
  cause?: unknown,
): GatewayError {
  const all: FailureFacts = {
    charged: completed > 0 ? 'yes' : 'unknown',
    mayRetry: false,
    requestId: reply ? requestIdOf(reply) : undefined,
    status: reply?.status,
    ...facts,
  }
  return new GatewayError(reason, { ...all, detail: all.detail && scrub(all.detail, [apiKey]) }, { cause })
}

/** Puts a name to what broke off a call; what is no fault of the call stays as it is. */
export function failureOf(call: ModelCall, error: unknown): unknown {
  if (error instanceof RangeError) return failed(call, 'upstream', { detail: error.message }, error)
  if (error instanceof SyntaxError) return failed(call, 'upstream', { detail: 'the reply is not JSON' }, error)
  if (!(error instanceof Unanswered)) return error
  const reason = {
    aborted: 'interrupted',
    timeout: 'timeout',
    unreachable: 'gateway_down',
    cut: 'gateway_down',
  } as const
  const facts: Partial<FailureFacts> = error.sent ? {} : { charged: 'no', mayRetry: error.kind === 'unreachable' }
  return failed(call, reason[error.kind], { detail: error.message, ...facts }, error)
}

function contextOf({ apiKey, completed, begun }: ModelCall, reply: HttpReply): RefusalContext {
  return {
    status: reply.status,
    requestId: requestIdOf(reply),
    retryAt: retryAt(reply.header('retry-after')),
    movedTo: movedTo(reply.status, reply.header('location')),
    completed,
    begun,
    secrets: [apiKey],
  }
}
