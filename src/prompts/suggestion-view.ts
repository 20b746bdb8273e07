import type { ObstacleView } from '../account/view.ts'
import type { ChatModel } from '../chat/models.ts'
import { readForm } from '../images/prompt.ts'
import type { StoredFile } from '../library/file-queries.ts'
import type { ReceiptView } from '../spend/view.ts'
import { hasWords, type Translate } from '../web/i18n.ts'
import { type Change, changesBetween } from './changes.ts'
import type { Suggestion } from './suggestion-queries.ts'

export interface SuggestionView {
  id: string
  kind: Suggestion['kind']
  state: Suggestion['state']
  /** What was typed; empty for a picture alone. */
  prompt: string
  /** What is described. */
  picture: { url: string; width: number; height: number } | null
  /** Those that can be asked; US dollars as the dearest one came to in the last month, null before the first. */
  models: { id: string; usd: number | null; chosen: boolean }[]
  /** Which was asked. */
  model: string | null
  text: string
  /** From what was typed to what was suggested. */
  changes: Change[]
  /** Why there is nothing. */
  sentence: string
  receipt: ReceiptView | null
  /** The answer, or its bill, is about to come: the page asks again by itself. */
  isAwaited: boolean
  obstacle: ObstacleView | null
}

const LONGEST_EDGE = 320
const BILL_COMES_MS = 60_000

interface Known {
  models: readonly ChatModel[]
  /** Of them, the one that is offered first. */
  model: string | null
  dearest: ReadonlyMap<string, number>
  /** Of the picture, as long as it is there. */
  file: StoredFile | null
  receipt: ReceiptView | null
  obstacle: ObstacleView | null
  t: Translate
}

export function viewSuggestion(suggestion: Suggestion, known: Known): SuggestionView {
  const { id, kind, state, form, model } = suggestion
  const { prompt } = readForm(form)
  const text = suggestion.text ?? ''
  return {
    id,
    kind,
    state,
    prompt,
    picture: known.file && shownSmall(known.file),
    models: known.models.map(each => ({
      id: each.id,
      usd: known.dearest.get(each.id) ?? null,
      chosen: each.id === known.model,
    })),
    model,
    text,
    changes: kind === 'improve' && state === 'done' ? changesBetween(prompt.trim(), text) : [],
    sentence: sentenceOf(suggestion, known.t),
    receipt: known.receipt,
    isAwaited: isAwaited(state, known.receipt),
    obstacle: known.obstacle,
  }
}

function isAwaited(state: Suggestion['state'], receipt: ReceiptView | null): boolean {
  if (state === 'asked' || state === 'called') return true
  const since = receipt?.verdict === 'not_settled' && state === 'done' ? receipt.endedAt : null
  return since !== null && Date.now() - since.getTime() < BILL_COMES_MS
}

function shownSmall({ token, width, height }: StoredFile) {
  const scale = Math.min(1, LONGEST_EDGE / Math.max(width, height))
  return {
    url: `/files/${token}/thumb`,
    width: Math.max(1, Math.round(width * scale)),
    height: Math.max(1, Math.round(height * scale)),
  }
}

function sentenceOf({ refusal, failureReason }: Suggestion, t: Translate): string {
  if (refusal && hasWords(refusal.key)) return t(refusal.key, refusal.params)
  return failureReason ? t(`chat.failure.${failureReason}`) : ''
}
