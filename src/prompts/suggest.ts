import { openChosenKey } from '../account/key.ts'
import { type Requester, usableKey } from '../account/requester.ts'
import { findUsableAccount } from '../account/viewer.ts'
import { type ChatModel, listChatModels } from '../chat/models.ts'
import type { Deps } from '../deps.ts'
import type { InputItem } from '../gateway/client.ts'
import { GatewayError } from '../gateway/errors.ts'
import { splitThoughts } from '../gateway/thinking-words.ts'
import { readForm } from '../images/prompt.ts'
import { dataUrl } from '../library/data-url.ts'
import { listFiles } from '../library/file-queries.ts'
import { admitSpending } from '../spend/budgets.ts'
import { type CallKind, endReceipt, noteRequestId, openReceipt } from '../spend/receipt.ts'
import { expectedOf } from '../spend/reservation-queries.ts'
import { Refusal } from '../web/errors.ts'
import { isVisible } from '../web/text.ts'
import { tell } from '../work/news-queries.ts'
import { persist } from '../work/persist.ts'
import type { Run } from '../work/worker.ts'
import {
  endSuggestion,
  findSuggestion,
  loseSuggestion,
  markAsked,
  markCalled,
  type Refused,
  type Suggestion,
  type SuggestionEnd,
} from './suggestion-queries.ts'

const PATIENCE_MS = 120_000
/** Some think aloud first. */
const MOST_HEARD = 20_000
/** Whoever asked has gone, and prices may have changed. */
const LATE_MS = 10 * 60_000

/** Calls that write a prompt anew, and those that describe a picture. */
export const suggestionCalls: Record<Suggestion['kind'], CallKind> = {
  improve: callsOf('improve'),
  describe: callsOf('describe'),
}

function callsOf(kind: Suggestion['kind']): CallKind {
  return {
    kind,
    // No row with a lease waits for it: whoever has not told its end by then has died.
    lostAfterSeconds: 3 * (PATIENCE_MS / 1000),
    tell: (tx, { userId, subject }) => loseSuggestion(tx, userId, subject),
  }
}

const instructions = {
  improve: () =>
    'You are given a prompt for a picture model. Write it anew so that it makes a better picture: composition, light, colour, material, mood. Keep what it asks for: its subjects, its style, every word in quotation marks, and whatever stands in curly braces, letter for letter. Write in the language of the prompt, at most 120 words. Answer with the new prompt alone.',
  describe: (language: string) =>
    `Describe the picture as a prompt with which a picture model would make one like it: subject, composition, light, colour, material, style, and lettering word for word. Write in ${language === 'zh-CN' ? 'Simplified Chinese' : 'English'}, at most 120 words. Answer with the prompt alone.`,
}

/**
 * Has a suggestion paid for and asked for, once however often it is pressed. Throws `Refusal`: 409 without a key that can
 * pay now, and as `admitSpending` does.
 */
export async function askSuggestion(
  deps: Deps,
  asker: Requester,
  suggestion: Suggestion,
  model: string,
): Promise<void> {
  const { userId, signInId, caller, account } = asker
  const key = usableKey(account, 'words')
  if (key.waits) throw new Refusal(409, 'prompts.suggest.key_waits', { key: key.keyName ?? '' })
  await deps.db.transaction(async tx => {
    if ((await findSuggestion(tx, userId, suggestion.id))?.state !== 'open') return
    const expected = await expectedOf(tx, userId, suggestion.kind, model)
    await admitSpending(deps, tx, { userId, calls: [{ usd: expected, isBounded: false }], byHand: true })
    if (!(await markAsked(tx, suggestion, { ...key, signInId, model, expected, caller }))) return
    await tell(tx, 'suggestion-asked', { userId, subject: suggestion.id })
  })
}

/** Asks the model, at most once: what was called is not called again, whatever becomes of this process. */
export async function callForSuggestion(deps: Deps, userId: number, id: string, run: Run): Promise<void> {
  const suggestion = await findSuggestion(deps.db, userId, id)
  if (suggestion?.state !== 'asked' || !suggestion.model || suggestion.keyId === null) return
  const refuse = (key: Refused['key'], params: Refused['params'] = {}) =>
    endSuggestion(deps.db, suggestion, { state: 'failed', refusal: { key, params } })
  if (Date.now() - (suggestion.askedAt?.getTime() ?? 0) > LATE_MS) return refuse('prompts.suggest.late')
  const account = await findUsableAccount(deps, userId)
  if (!account?.keySecret || account.keyId !== suggestion.keyId) return refuse('prompts.suggest.key_changed')
  const content = await contentOf(deps, suggestion)
  if (!content) return refuse('prompts.suggest.picture_gone')
  const caller = { address: suggestion.callerAddress ?? '', userAgent: suggestion.callerUserAgent ?? '' }
  const { model } = suggestion
  const effort = (await listChatModels(deps, caller, account))
    .find(each => each.id === model)
    ?.efforts.find(each => each === 'low')
  const key = openChosenKey(deps, userId, account.keySecret)
  if (!run.mayCall()) throw new Error('this worker is about to stop')
  if (!(await beginCall(deps, suggestion, effort ?? null))) return

  const kind = suggestionCalls[suggestion.kind]
  let requestId: string | null = null
  const end = (call: Pick<Parameters<typeof endReceipt>[3], 'charged' | 'reason'>, how: SuggestionEnd) =>
    persist(deps, () =>
      deps.db.transaction(async tx => {
        await endSuggestion(tx, suggestion, how)
        await endReceipt(tx, kind, id, { requestId, ...call })
      }),
    )
  let text = ''
  try {
    const events = deps.gateway.respond(
      caller,
      key,
      {
        model,
        instructions: instructions[suggestion.kind](suggestion.language),
        input: [{ type: 'message', role: 'user', content }],
        effort,
      },
      { signal: AbortSignal.any([run.signal, AbortSignal.timeout(PATIENCE_MS)]) },
    )
    for await (const event of events) {
      if (event.type === 'accepted') {
        requestId = event.requestId
        await persist(deps, () => noteRequestId(deps.db, kind, id, event.requestId))
      }
      if (event.type === 'text') text += event.delta
      if (text.length > MOST_HEARD) break
    }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const { charged } = error.facts
    const state = charged === 'unknown' ? 'unknown' : 'failed'
    return end({ charged, reason: error.reason }, { state, reason: error.reason })
  }
  const words = cleanPrompt(text)
  const paid = { charged: 'yes', reason: null } as const
  if (words === '') return end(paid, { state: 'failed', refusal: { key: 'prompts.suggest.nothing_came', params: {} } })
  return end(paid, { state: 'done', text: words })
}

/** With its receipt. */
function beginCall(deps: Pick<Deps, 'db'>, suggestion: Suggestion, effort: string | null): Promise<boolean> {
  const { id, userId, signInId, kind, model, keyId, keyName, keyGroup, expected, fromBalance } = suggestion
  return deps.db.transaction(async tx => {
    if (!(await markCalled(tx, suggestion))) return false
    await openReceipt(tx, suggestionCalls[kind], {
      userId,
      signInId,
      subject: id,
      keyId: keyId!,
      keyName,
      keyGroup,
      model: model!,
      asked: { effort },
      held: expected,
      isBounded: false,
      fromBalance,
    })
    return true
  })
}

/** What the model is shown; null when the picture is gone. */
async function contentOf(deps: Deps, { userId, kind, form, token }: Suggestion) {
  type Content = Extract<InputItem, { role: 'user' }>['content']
  if (kind === 'improve') return [{ type: 'input_text', text: readForm(form).prompt.trim() }] satisfies Content
  const [file] = token ? await listFiles(deps.db, userId, [token]) : []
  const url = file && (await dataUrl(deps, file))
  return url ? ([{ type: 'input_image', image_url: url }] satisfies Content) : null
}

/** Without the decoration that models add all the same; empty when nothing is to be seen. */
export function cleanPrompt(text: string): string {
  const words = splitThoughts(text).words.trim()
  const bare = /^["“「`]([^"“”「」`]+)["”」`]$/.exec(words)?.[1] ?? words
  return isVisible(bare) ? bare.replaceAll('\0', '').trim().toWellFormed() : ''
}

/** One of these, as it was chosen; else the one of last time, or a small one, which is cheap and quick. */
export function chooseModel(models: readonly ChatModel[], ...wanted: (string | null | undefined)[]): ChatModel {
  const found = wanted.flatMap(id => models.find(each => each.id === id) ?? [])[0]
  return found ?? models.find(({ id }) => /-mini\b/.test(id)) ?? models[0]!
}
