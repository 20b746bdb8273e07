import { openChosenKey } from '../../account/key.ts'
import { findUsableAccount } from '../../account/viewer.ts'
import type { Deps } from '../../deps.ts'
import { type Charged, type FailureReason, GatewayError } from '../../gateway/errors.ts'
import { splitThoughts } from '../../gateway/thinking-words.ts'
import { admitSpending, oneAfterAnother } from '../../spend/budgets.ts'
import type { NewReceipt } from '../../spend/queries.ts'
import { type CallKind, endReceipt, noteRequestId, openReceipt } from '../../spend/receipt.ts'
import { Refusal } from '../../web/errors.ts'
import { isVisible } from '../../web/text.ts'
import { persist } from '../../work/persist.ts'
import type { Run } from '../../work/worker.ts'
import { type Conversation, claimNaming, setSuggestedTitle } from '../conversation-queries.ts'
import { listBranch } from '../message-queries.ts'
import { type ChatModel, listChatModels } from '../models.ts'
import { tellPages } from '../notify-queries.ts'
import type { Reply } from '../reply-queries.ts'

const SMALL = /-(mini|nano)\b/
const TOLD = 500
const LONGEST = 80
/** Some think aloud first. */
const MOST_HEARD = 4_000
const PATIENCE_MS = 20_000
/** US dollars. */
const EXPECTED = 0.001

export const titleCalls: CallKind = {
  kind: 'title',
  // No row waits for it: whoever has not told its end by then has died.
  lostAfterSeconds: 3 * (PATIENCE_MS / 1000),
  /** Part of what the conversation has cost so far. */
  async tell(tx, { subject }, { amount }) {
    if (amount !== null) await tellPages(tx, subject, 'balance')
  },
}

const instructions =
  'Give this conversation a title of two to six words, in its language. Answer with the title alone: no quotation marks, no full stop.'

/**
 * Has a small model name a conversation after the first words of an answer: a few hundred tokens, a hundredth of a cent. Only a model
 * of the same key that is small by its name is asked, at most once a conversation, and never again after a failure: the
 * first words of the person stay the title then.
 */
export async function suggestTitle(
  deps: Deps,
  conversation: Conversation,
  reply: Reply,
  { signal, mayCall }: Run,
): Promise<void> {
  if (conversation.namedAt || conversation.deletedAt || reply.state !== 'done' || reply.text === '') return
  const account = await findUsableAccount(deps, reply.userId)
  if (!account?.keySecret || account.keyId === null || account.keyId !== reply.keyId) return
  const caller = { address: reply.callerAddress, userAgent: reply.callerUserAgent }
  const model = smallest(await listChatModels(deps, caller, account))
  const [question] = await listBranch(deps.db, conversation, reply.messageId)
  if (!model || !question) return
  const key = openChosenKey(deps, reply.userId, account.keySecret)
  const { userId, signInId } = reply
  const { keyId, keyName, keyGroup } = account
  const effort = model.efforts.find(each => each === 'low')
  const held = { held: EXPECTED, isBounded: false, fromBalance: !account.keyState?.isPlan }
  const call = {
    userId,
    signInId,
    keyId,
    keyName,
    keyGroup,
    model: model.id,
    asked: { effort: effort ?? null },
    ...held,
  }
  if (!mayCall() || !(await beginCall(deps, conversation, call))) return

  const subject = conversation.id
  let requestId: string | null = null
  const end = (charged: Charged, reason: FailureReason | null) =>
    persist(deps, () => endReceipt(deps.db, titleCalls, subject, { requestId, charged, reason }))

  const told = `${question.text.slice(0, TOLD)}\n\n---\n\n${reply.text.slice(0, TOLD)}`.toWellFormed()
  let title = ''
  try {
    const events = deps.gateway.respond(
      caller,
      key,
      {
        model: model.id,
        instructions,
        input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: told }] }],
        effort,
      },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]) },
    )
    for await (const event of events) {
      if (event.type === 'accepted') {
        requestId = event.requestId
        await persist(deps, () => noteRequestId(deps.db, titleCalls, subject, event.requestId))
      }
      if (event.type === 'text') title += event.delta
      if (title.length > MOST_HEARD) break
    }
    await end('yes', null)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    await end(error.facts.charged, error.reason)
    deps.log.info({ err: error, conversation: conversation.id }, 'a conversation keeps its first words as its title')
    return
  }
  const clean = cleanTitle(title)
  if (clean === '' || !(await setSuggestedTitle(deps.db, conversation, clean))) return
  await tellPages(deps.db, conversation.id, 'change')
}

/** Once a conversation, and with its receipt; not where a budget has no room for it. */
async function beginCall(
  deps: Pick<Deps, 'db' | 'config'>,
  conversation: Conversation,
  call: Omit<NewReceipt, 'subject' | 'conversation'>,
): Promise<boolean> {
  const { userId } = call
  const spending = {
    userId,
    calls: [{ usd: EXPECTED, isBounded: false }],
    conversationId: conversation.id,
    byHand: false,
    follows: true,
  }
  const begin = () =>
    deps.db.transaction(async tx => {
      await admitSpending(deps, tx, spending)
      if (!(await claimNaming(tx, conversation))) return false
      await openReceipt(tx, titleCalls, { ...call, subject: conversation.id, conversation })
      return true
    })
  return oneAfterAnother(begin).catch(error => {
    if (error instanceof Refusal) return false
    throw error
  })
}

function smallest(models: readonly ChatModel[]): ChatModel | undefined {
  return models.find(({ id }) => id.includes('-nano')) ?? models.find(({ id }) => SMALL.test(id))
}

/** One line without the decoration that models add all the same; empty when it is no title. */
export function cleanTitle(text: string): string {
  const line = splitThoughts(text).words.trim().split('\n', 1)[0]!
  if (line.length > 4 * LONGEST) return ''
  const bare = line.replace(/^[\s#*"'“”‘’「《`]+|[\s*"'“”‘’」》`。.]+$/g, '').replace(/\s+/g, ' ')
  return bare.length > LONGEST || !isVisible(bare) ? '' : bare.toWellFormed()
}
