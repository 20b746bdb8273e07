import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Db } from '../../db/db.ts'
import { parseStorable } from '../../db/storable.ts'
import type { Deps } from '../../deps.ts'
import { failureReasons } from '../../gateway/errors.ts'
import { inTurn } from '../../web/turns.ts'
import { type Branch, loadAllBranches, loadTexts } from '../branch.ts'
import { insertToolCall, setImportedJob } from '../call-queries.ts'
import {
  askingLock,
  type Conversation,
  conversationExists,
  findConversation,
  insertConversation,
  lockSnapshot,
  setImportedState,
  setPinned,
} from '../conversation-queries.ts'
import { insertAttachments, insertMessage, insertText } from '../message-queries.ts'
import { renderMarkdown } from '../page/markdown.ts'
import { insertFinishedReply } from '../reply-queries.ts'

/** Of what came with an answer: where in it, and whether it is the preview of a picture that never came. */
const place = { position: z.number().optional(), isPreview: z.boolean().optional() }

/**
 * A conversation as a file, version 1: all its branches, parents before children; pictures by the tokens of their files.
 * Nothing in it is a secret of the gateway. src/chat/conversations.md describes it for people.
 */
export const Snapshot = z.object({
  format: z.literal('sub2api-playground conversation'),
  version: z.literal(1),
  id: z.guid(),
  title: z.string(),
  instructions: z.string(),
  pinned: z.boolean(),
  createdAt: z.coerce.date(),
  updatedAt: z.coerce.date(),
  /** The end of the branch that is shown. */
  head: z.guid().nullable(),
  messages: z.array(
    z.object({
      id: z.guid(),
      parent: z.guid().nullable(),
      role: z.enum(['user', 'assistant', 'tool']),
      createdAt: z.coerce.date(),
      /** Of the person as typed, of the model as Markdown. */
      text: z.string(),
      attachments: z
        .array(
          z.union([
            z.object({ ...place, name: z.string(), token: z.string() }),
            z.object({ ...place, name: z.string(), text: z.string() }),
          ]),
        )
        .optional(),
      answer: z
        .object({
          state: z.enum(['done', 'failed', 'unknown', 'stopped']),
          model: z.string(),
          effort: z.string().nullable(),
          reasoning: z.string(),
          cutBy: z.string().nullable(),
          inputTokens: z.number().nullable(),
          outputTokens: z.number().nullable(),
          failure: z.enum(failureReasons).nullable(),
        })
        .optional(),
      call: z
        .object({
          state: z.enum(['asked', 'painting', 'done', 'failed', 'declined', 'refused']),
          id: z.string(),
          name: z.string(),
          arguments: z.string(),
          problem: z.string().nullable(),
          prompt: z.string(),
          size: z.string(),
          n: z.number(),
          sources: z.array(z.string()),
          job: z.string().nullable(),
          output: z.string().nullable(),
          /** Tokens of the pictures that were made. */
          pictures: z.array(z.string()),
        })
        .optional(),
    }),
  ),
})
export type Snapshot = z.output<typeof Snapshot>

export async function takeSnapshot(db: Db, conversation: Conversation): Promise<Snapshot> {
  const { turns } = await loadAllBranches(db, conversation)
  const texts = await loadTexts(db, conversation, turns)
  const isOver = (turn: Branch['turns'][number]) => turn.kind !== 'assistant' || turn.reply.finishedAt !== null
  const kept = new Set(turns.filter(isOver).map(turn => turn.message.id))
  return {
    format: 'sub2api-playground conversation',
    version: 1,
    id: conversation.id,
    title: conversation.title,
    instructions: conversation.instructions,
    pinned: conversation.pinnedAt !== null,
    createdAt: conversation.createdAt,
    updatedAt: conversation.updatedAt,
    head:
      conversation.head && kept.has(conversation.head)
        ? conversation.head
        : (turns.filter(isOver).at(-1)?.message.id ?? null),
    messages: turns.filter(isOver).map(turn => {
      const { id, parentId, role, createdAt } = turn.message
      const common = { id, parent: parentId, role, createdAt }
      if (turn.kind === 'user') {
        const attachments = turn.attachments.map(({ name, token, textId }) =>
          token ? { name, token } : { name, text: texts.get(textId!) ?? '' },
        )
        return { ...common, text: turn.message.text, ...(attachments.length > 0 && { attachments }) }
      }
      if (turn.kind === 'tool') {
        const { callId, state, name, problem, prompt, size, n, sources, jobId, output } = turn.call
        const pictures = turn.pictures.map(picture => picture.token)
        const call = {
          id: callId,
          state,
          name,
          arguments: turn.call.arguments,
          problem,
          prompt,
          size,
          n,
          sources,
          job: jobId,
          output,
          pictures,
        }
        return { ...common, text: '', call }
      }
      const { reply } = turn
      const attachments = turn.attachments.map(({ name, token, textId, position, isPreview }) => ({
        position,
        ...(token ? { name, token } : { name, text: texts.get(textId!) ?? '' }),
        ...(isPreview && { isPreview }),
      }))
      const { model, effort, reasoning, cutBy, inputTokens, outputTokens } = reply
      const state = reply.state as 'done' | 'failed' | 'unknown' | 'stopped'
      return {
        ...common,
        text: reply.text,
        ...(attachments.length > 0 && { attachments }),
        answer: { state, model, effort, reasoning, cutBy, inputTokens, outputTokens, failure: reply.failureReason },
      }
    }),
  }
}

/** `conversations/<user id>/<conversation id>.json` under the data directory. */
function snapshotFile(deps: Pick<Deps, 'config'>, userId: number, conversationId: string): string {
  return path.join(deps.config.dataDirectory, 'conversations', String(userId), `${conversationId}.json`)
}

/** Writes the file whole or not at all. The database stays the truth: what fails here is logged and done again next time. */
export async function writeSnapshot(
  deps: Pick<Deps, 'db' | 'config' | 'log'>,
  conversation: Conversation,
): Promise<void> {
  const file = snapshotFile(deps, conversation.userId, conversation.id)
  const temporary = `${file}.tmp`
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
    await deps.db.transaction(async tx => {
      // One after the other: an older state must not come last.
      await lockSnapshot(tx, conversation)
      const current = await findConversation(tx, conversation.userId, conversation.id)
      if (!current) return
      const text = `${JSON.stringify(await takeSnapshot(tx, current), null, 2)}\n`
      {
        await using handle = await open(temporary, 'w', 0o600)
        await handle.writeFile(text)
        await handle.datasync()
      }
      await rename(temporary, file)
    })
  } catch (error) {
    deps.log.warn({ err: error, conversation: conversation.id }, 'a conversation could not be written to its file')
  }
}

/** Of a conversation that is gone: whoever is writing it has ended before, and nobody begins any more. */
export async function deleteSnapshot(
  deps: Pick<Deps, 'config' | 'db'>,
  { userId, id }: Pick<Conversation, 'userId' | 'id'>,
): Promise<void> {
  await deps.db.transaction(async tx => {
    await lockSnapshot(tx, { id })
    await rm(snapshotFile(deps, userId, id), { force: true })
  })
}

/**
 * Reads a snapshot back for a user who exists. False when the conversation is there already: nothing is overwritten.
 * Pictures are found by their tokens where this installation has them. Throws ZodError or SyntaxError for other files.
 */
export async function importSnapshot(deps: Pick<Deps, 'db'>, userId: number, file: string): Promise<boolean> {
  const snapshot = Snapshot.parse(parseStorable(await readFile(file, 'utf8')))
  return inTurn(deps.db, askingLock, { userId }, async tx => {
    if (await conversationExists(tx, snapshot.id)) return false
    const { id, title, instructions, createdAt } = snapshot
    const conversation = await insertConversation(tx, { id, userId, title, instructions, createdAt })
    for (const message of snapshot.messages) {
      const common = { conversationId: id, userId }
      await insertMessage(tx, {
        ...common,
        id: message.id,
        parentId: message.parent,
        role: message.role,
        text: message.role === 'user' ? message.text : '',
        createdAt: message.createdAt,
      })
      const attachments = []
      for (const each of message.attachments ?? []) {
        const text = 'text' in each ? await insertText(tx, userId, each.name, each.text) : null
        const { name, position, isPreview } = each
        attachments.push({
          ...(position !== undefined && { position }),
          ...(isPreview && { isPreview }),
          name,
          token: 'token' in each ? each.token : null,
          textId: text?.id ?? null,
        })
      }
      await insertAttachments(tx, message.id, attachments)
      const { answer, call } = message
      if (answer) {
        const { state, model, effort, reasoning, cutBy, inputTokens, outputTokens, failure: failureReason } = answer
        const written = {
          text: message.text,
          html: await renderMarkdown(userId, message.text),
          reasoning,
          cutBy,
          inputTokens,
          outputTokens,
          failureReason,
        }
        await insertFinishedReply(tx, { ...common, messageId: message.id, state, model, effort, ...written })
      }
      if (call) {
        const { id: callId, job, pictures: _, ...rest } = call
        // A job elsewhere cannot be waited for here.
        const state = call.state === 'painting' || call.state === 'asked' ? 'failed' : call.state
        await insertToolCall(tx, { ...rest, ...common, messageId: message.id, callId, state })
        if (job) await setImportedJob(tx, message.id, job)
      }
    }
    if (snapshot.pinned) await setPinned(tx, conversation, true)
    await setImportedState(tx, conversation, snapshot)
    return true
  })
}
