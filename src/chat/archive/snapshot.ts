import { z } from 'zod'
import type { Db } from '../../db/db.ts'
import { failureReasons } from '../../gateway/errors.ts'
import { type Branch, loadAllBranches, loadTexts } from '../branch.ts'
import type { Conversation } from '../conversation-queries.ts'

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
  /** Of the gateway; only where the store keeps it. */
  userId: z.number().optional(),
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
