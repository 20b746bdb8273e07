import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { tellPages } from './notify-queries.ts'

const ToolCall = z.object({
  messageId: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  state: z.enum(['asked', 'painting', 'done', 'failed', 'declined', 'refused']),
  version: z.number(),
  callId: z.string(),
  name: z.string(),
  arguments: z.string(),
  problem: z.string().nullable(),
  prompt: z.string(),
  size: z.string(),
  n: z.number(),
  sources: z.array(z.string()),
  jobId: z.string().nullable(),
  output: z.string().nullable(),
})
export type ToolCall = z.output<typeof ToolCall>

export async function insertToolCall(db: Db, call: Omit<ToolCall, 'version' | 'jobId'>): Promise<void> {
  await db.run(
    `insert into tool_calls (message_id, conversation_id, user_id, state, call_id, name, arguments, problem, prompt, size, n,
       sources, output) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      call.messageId,
      call.conversationId,
      call.userId,
      call.state,
      call.callId,
      call.name,
      call.arguments,
      call.problem,
      call.prompt,
      call.size,
      call.n,
      call.sources,
      call.output,
    ],
  )
}

export function listToolCalls(db: Db, messageIds: readonly string[]): Promise<ToolCall[]> {
  return db.many(ToolCall, `select * from tool_calls where message_id = any($1)`, [messageIds])
}

export function findToolCall(db: Db, userId: number, messageId: string): Promise<ToolCall | null> {
  return db.maybeOne(ToolCall, `select * from tool_calls where message_id = $1 and user_id = $2`, [messageId, userId])
}

/** Until the transaction ends, nobody else decides about the call; false when somebody has. */
export async function lockAskedCall(tx: Db, call: ToolCall): Promise<boolean> {
  const row = await tx.maybeOne(
    z.object({ messageId: z.string() }),
    `select message_id from tool_calls where message_id = $1 and state = 'asked' for update`,
    [call.messageId],
  )
  return row !== null
}

/** The picture job of the call has been started. */
export async function setPainting(
  tx: Db,
  call: ToolCall,
  painting: { jobId: string; prompt: string; size: string; n: number },
): Promise<void> {
  await tx.run(
    `update tool_calls set state = 'painting', version = version + 1, job_id = $2, prompt = $3, size = $4, n = $5
     where message_id = $1 and state = 'asked'`,
    [call.messageId, painting.jobId, painting.prompt, painting.size, painting.n],
  )
  await tellPages(tx, call.conversationId, 'change')
}

/** The call is over and `output` is what the model is told. False when somebody else ended it first. */
export async function endToolCall(
  db: Db,
  call: ToolCall,
  ending: { state: 'done' | 'failed' | 'declined'; output: string },
): Promise<boolean> {
  const changed = await db.run(
    `update tool_calls set state = $3, version = version + 1, output = $4 where message_id = $1 and state = $2`,
    [call.messageId, call.state, ending.state, ending.output],
  )
  if (changed === 1) await tellPages(db, call.conversationId, 'change')
  return changed === 1
}

/** The call that waits for this picture job. */
export function findPaintingCall(db: Db, userId: number, jobId: string): Promise<ToolCall | null> {
  return db.maybeOne(ToolCall, `select * from tool_calls where job_id = $2 and user_id = $1 and state = 'painting'`, [
    userId,
    jobId,
  ])
}

/** The job is only looked up by its owner, so one that is not theirs shows nothing. */
export async function setImportedJob(db: Db, messageId: string, jobId: string): Promise<void> {
  await db.run(`update tool_calls set job_id = $2 where message_id = $1`, [messageId, jobId])
}
