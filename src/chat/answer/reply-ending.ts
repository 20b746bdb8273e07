import type { Deps } from '../../deps.ts'
import type { ResponseEvent } from '../../gateway/client.ts'
import { GatewayError } from '../../gateway/errors.ts'
import { splitThoughts } from '../../gateway/thinking-words.ts'
import type { Stop } from '../../work/worker.ts'
import { renderMarkdown } from '../page/markdown.ts'
import type { ClaimedReply, ReplyEnding } from './claim-queries.ts'
import type { DeltaWriter } from './delta-writer.ts'

/** What has come of a call. */
export interface Heard {
  calls: Extract<ResponseEvent, { type: 'call' }>[]
  finished: Extract<ResponseEvent, { type: 'finished' }> | null
  requestId: string | null
}

/** Words and verdict. Without the call that it was, an answer has nothing to show. */
export function bareEnding({ state, text, reasoning, html, reason = null, charged = null }: ReplyEnding): ReplyEnding {
  const bare = { state, text, reasoning, html, reason, charged }
  return state === 'done' && text === '' ? { ...bare, state: 'failed', reason: 'upstream' } : bare
}

export async function endingOf(reply: ClaimedReply, writer: DeltaWriter, heard: Heard): Promise<ReplyEnding> {
  const { finished, requestId } = heard
  const cutBy = finished?.status === 'incomplete' ? (finished.reason ?? 'unknown') : null
  return {
    state: 'done',
    ...(await written(reply, writer)),
    cutBy,
    usage: finished?.usage ?? null,
    charged: 'yes',
    requestId,
  }
}

export async function endingAfter(
  deps: Deps,
  reply: ClaimedReply,
  writer: DeltaWriter,
  heard: Heard,
  error: unknown,
  signal: AbortSignal,
): Promise<ReplyEnding> {
  const { requestId } = heard
  const kept = await written(reply, writer)
  if (signal.aborted) {
    const state = signal.reason === ('cancelled' satisfies Stop) ? 'stopped' : 'unknown'
    const charged = error instanceof GatewayError ? error.facts.charged : 'unknown'
    return { state, ...kept, reason: state === 'unknown' ? 'interrupted' : null, charged, requestId }
  }
  if (!(error instanceof GatewayError)) {
    deps.log.error({ err: error, reply: reply.messageId }, 'writing an answer failed')
    return { state: 'unknown', ...kept, reason: 'interrupted', charged: 'unknown', requestId }
  }
  const { charged, detail, retryAt } = error.facts
  const told = { reason: error.reason, charged, detail, retryAt, requestId: error.facts.requestId ?? requestId }
  return { state: charged === 'unknown' ? 'unknown' : 'failed', ...kept, ...told }
}

/** Of an answer that ended in whatever way. */
export async function written({ userId }: ClaimedReply, { text, reasoning }: Pick<DeltaWriter, 'text' | 'reasoning'>) {
  const { thoughts, words } = splitThoughts(text)
  return {
    text: words,
    reasoning: [reasoning, thoughts].filter(Boolean).join('\n\n'),
    html: await renderMarkdown(userId, words),
  }
}
