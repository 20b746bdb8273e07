import type { Request, Response } from 'express'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { wantsFragment } from '../web/render.ts'
import { findToolCall, type ToolCall } from './call-queries.ts'
import { type Conversation, findConversation } from './conversation-queries.ts'
import { findMessage, type Message } from './message-queries.ts'
import { findReply, type Reply } from './reply-queries.ts'

/** The conversation of the address, which is the reader's own; else a `Refusal` 404, as for one that never was. */
export async function myConversation(
  db: Db,
  req: Request,
  res: Response,
  wanted = { deleted: false },
): Promise<Conversation> {
  const conversation = await findConversation(db, signedIn(res).userId, parseId(req.params.id))
  if (!conversation || (conversation.deletedAt !== null && !wanted.deleted)) throw new Refusal(404, 'errors.not_found')
  return conversation
}

export async function myMessage(
  db: Db,
  req: Request,
  res: Response,
): Promise<{ conversation: Conversation; message: Message }> {
  const conversation = await myConversation(db, req, res)
  const message = await findMessage(db, conversation, parseId(req.params.message))
  if (!message) throw new Refusal(404, 'errors.not_found')
  return { conversation, message }
}

export async function myReply(
  db: Db,
  req: Request,
  res: Response,
): Promise<{ conversation: Conversation; message: Message; reply: Reply }> {
  const mine = await myMessage(db, req, res)
  const reply = await findReply(db, mine.conversation.userId, mine.message.id)
  if (!reply) throw new Refusal(404, 'errors.not_found')
  return { ...mine, reply }
}

export async function myCall(
  db: Db,
  req: Request,
  res: Response,
): Promise<{ conversation: Conversation; call: ToolCall }> {
  const { conversation, message } = await myMessage(db, req, res)
  const call = await findToolCall(db, conversation.userId, message.id)
  if (!call) throw new Refusal(404, 'errors.not_found')
  return { conversation, call }
}

/** The message whose branch is to be shown, or is shown where a button was pressed; null: the newest branch. */
export function atOf(req: Request): string | null {
  const shown =
    req.method === 'POST' ? URL.parse(req.get('HX-Current-URL') ?? '')?.searchParams.get('at') : req.query.at
  return z.guid().safeParse(shown).data ?? null
}

/** Under which address the reader knows this installation. */
export function originOf({ config }: Pick<Deps, 'config'>, req: Request): string {
  return config.publicOrigin ?? `${req.protocol}://${req.get('host')}`
}

/** The open page hears of it by its stream; without JavaScript it is shown anew. */
export function done(req: Request, res: Response, conversation: Conversation): void {
  const address = `/chat/${conversation.id}`
  if (!wantsFragment(req)) res.redirect(303, address)
  else if (atOf(req)) res.set('HX-Redirect', address).status(204).end()
  else res.status(204).end()
}
