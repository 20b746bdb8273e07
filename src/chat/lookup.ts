import type { Request, Response } from 'express'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId } from '../web/parse.ts'
import { wantsFragment } from '../web/render.ts'
import type { Part } from './branch.ts'
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

/** Which part of the conversation is to be shown. */
export function partOf(req: Request): Part {
  const { at, before, from } = req.query
  return { at: asId(at), before: asId(before), from: asId(from) }
}

/** A button was pressed on a page that would not hear of what comes at the end of the conversation. */
export function isElsewhere(req: Request): boolean {
  const shown = URL.parse(req.get('HX-Current-URL') ?? '')?.searchParams
  return asId(shown?.get('at')) !== null || asId(shown?.get('before')) !== null
}

function asId(value: unknown): string | null {
  return z.guid().safeParse(value).data ?? null
}

/** Under which address the reader knows this installation. */
export function originOf({ config }: Pick<Deps, 'config'>, req: Request): string {
  return config.publicOrigin ?? `${req.protocol}://${req.get('host')}`
}

/** The open page hears of it by its stream; without JavaScript it is shown anew. */
export function done(req: Request, res: Response, conversation: Conversation): void {
  const address = `/chat/${conversation.id}`
  if (!wantsFragment(req)) res.redirect(303, address)
  else if (isElsewhere(req)) res.set('HX-Redirect', address).status(204).end()
  else res.status(204).end()
}
