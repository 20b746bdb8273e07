import type { Charged, FailureReason } from '../gateway/errors.ts'
import { hasWords, type Key, type Translate } from '../web/i18n.ts'
import type { MoneyView } from './evidence.ts'
import type { Judgement } from './judge.ts'
import type { ReceiptKind } from './queries.ts'

/** A call that did not end well. */
export interface Ended {
  of: 'picture' | 'answer'
  state: 'failed' | 'unknown' | 'cancelled' | 'stopped' | 'done'
  reason: FailureReason | null
  charged: Charged
  /** Given up on the way while it was silent, for certain or likely: previews would change that. */
  silence?: 'certain' | 'likely' | null
}

/**
 * What to say of a call that did not end well: what happened, which never speaks of money (`MoneyView` alone does), and
 * what can be done now.
 */
export function sentencesOf({ of, state, reason, charged, silence }: Ended): { what: Key; next: Key[] } {
  const again: Key[] = charged === 'no' ? [] : [`spend.again.${charged}`]
  if (state === 'cancelled') return { what: 'images.cancelled', next: again }
  if (state === 'stopped') return { what: 'chat.stopped', next: again }
  if (reason === null) return { what: 'images.state.unknown', next: again }
  if (of === 'answer') return { what: `chat.failure.${reason}`, next: again }
  // The request had left then: the gateway was there.
  const broken = `images.broken.${reason}`
  const what: Key = state !== 'failed' && hasWords(broken) ? broken : `images.failure.${reason}`
  const cure: Key[] = silence ? [`images.silence.${silence}`] : []
  return { what, next: [`images.next.${reason}`, ...cure, ...again] }
}

/** What is said of a receipt; of words, two of the judgements are worded otherwise. */
export function wordOf(kind: ReceiptKind, verdict: Judgement['verdict']): Key {
  const ofWords = `spend.judged.${verdict}_words`
  return kind !== 'picture' && hasWords(ofWords) ? ofWords : `spend.judged.${verdict}`
}

/** What happened in one text, with what is known about the money. */
export function describe(ended: Ended, money: MoneyView, t: Translate): string {
  const cost = money.cost === null ? '' : `$${Number(money.cost.toFixed(4))}`
  return `${t(sentencesOf(ended).what)} ${t(`spend.verdict.${money.word}`, { cost })}`
}
