import { readFile } from 'node:fs/promises'
import { parseStorable } from '../../db/storable.ts'
import type { Deps } from '../../deps.ts'
import { inTurn } from '../../web/turns.ts'
import { insertToolCall, setImportedJob } from '../call-queries.ts'
import {
  askingLock,
  conversationExists,
  insertConversation,
  setImportedState,
  setPinned,
} from '../conversation-queries.ts'
import { insertAttachments, insertMessage, insertText } from '../message-queries.ts'
import { renderMarkdown } from '../page/markdown.ts'
import { insertFinishedReply } from '../reply-queries.ts'
import { Snapshot } from './snapshot.ts'

/**
 * Reads a snapshot back for a user who exists. False when the conversation is there already: nothing is overwritten.
 * Pictures are found by their tokens where this installation has them. Throws ZodError or SyntaxError for other files.
 */
export async function importSnapshot(deps: Pick<Deps, 'db'>, userId: number, file: string): Promise<boolean> {
  return insertSnapshot(deps, userId, Snapshot.parse(parseStorable(await readFile(file, 'utf8'))))
}

/** The same of one that was read already. */
export function insertSnapshot(deps: Pick<Deps, 'db'>, userId: number, snapshot: Snapshot): Promise<boolean> {
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
