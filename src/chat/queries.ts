import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { failureReasons } from '../gateway/errors.ts'

const Conversation = z.object({
  id: z.string(),
  userId: z.number(),
  title: z.string(),
  instructions: z.string(),
  head: z.string().nullable(),
  pinnedAt: z.date().nullable(),
  createdAt: z.date(),
  updatedAt: z.date(),
  deletedAt: z.date().nullable(),
})
export type Conversation = z.output<typeof Conversation>

const Message = z.object({
  id: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  parentId: z.string().nullable(),
  number: z.number(),
  role: z.enum(['user', 'assistant', 'tool']),
  text: z.string(),
  createdAt: z.date(),
})
export type Message = z.output<typeof Message>

const Reply = z.object({
  messageId: z.string(),
  conversationId: z.string(),
  userId: z.number(),
  signInId: z.string().nullable(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'unknown', 'stopped']),
  version: z.number(),
  purpose: z.enum(['answer', 'close']),
  model: z.string(),
  effort: z.string().nullable(),
  keyId: z.number().nullable(),
  keySecret: z.instanceof(Buffer).nullable(),
  callerAddress: z.string(),
  callerUserAgent: z.string(),
  notBefore: z.date().nullable(),
  startedAt: z.date().nullable(),
  finishedAt: z.date().nullable(),
  attempts: z.number(),
  claim: z.string().nullable(),
  calledAt: z.date().nullable(),
  cancelRequestedAt: z.date().nullable(),
  text: z.string(),
  reasoning: z.string(),
  html: z.string().nullable(),
  cutBy: z.string().nullable(),
  inputTokens: z.number().nullable(),
  cachedTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  reasoningTokens: z.number().nullable(),
  requestId: z.string().nullable(),
  failureReason: z.enum(failureReasons).nullable(),
  charged: z.enum(['yes', 'no', 'unknown']).nullable(),
  failureDetail: z.string().nullable(),
  retryAt: z.date().nullable(),
})
export type Reply = z.output<typeof Reply>

/** An answer that this process writes: nobody else can while the claim holds. */
const ClaimedReply = Reply.extend({ claim: z.string() })
export type ClaimedReply = z.output<typeof ClaimedReply>

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

const Attachment = z.object({
  messageId: z.string(),
  position: z.number(),
  name: z.string(),
  token: z.string().nullable(),
  textId: z.string().nullable(),
  text: z.string().nullable(),
})
export type Attachment = z.output<typeof Attachment>

const Settings = z.object({
  instructions: z.string(),
  askBeforePaying: z.boolean(),
  listOpen: z.boolean(),
  model: z.string().nullable(),
  effort: z.string().nullable(),
})
export type Settings = z.output<typeof Settings>
const firstSettings: Settings = { instructions: '', askBeforePaying: true, listOpen: true, model: null, effort: null }

/** The channel on which processes tell each other what changed; a payload is `<conversation> <what>` or `stop <message>`. */
export const CHANNEL = 'chat'
// Any two numbers that nothing else locks with.
const CLAIM_LOCK = 742_001
const ASK_LOCK = 742_002

/** Heard at commit: `text` when more of an answer has come, `balance` after a payment, `change` for anything else. */
export async function tellPages(db: Db, conversationId: string, what: 'text' | 'change' | 'balance'): Promise<void> {
  await db.run(`select pg_notify($1, $2)`, [CHANNEL, `${conversationId} ${what}`])
}

// Conversations

/** Until the transaction ends, nobody else adds to what this user says: counts and submissions stay true. */
export async function lockAsking(tx: Db, userId: number): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock($1, hashint8($2))`, [ASK_LOCK, userId])
}

export interface NewConversation {
  id: string
  userId: number
  title: string
  instructions: string
  createdAt?: Date
}

export function insertConversation(db: Db, conversation: NewConversation): Promise<Conversation> {
  const { id, userId, title, instructions, createdAt } = conversation
  return db.one(
    Conversation,
    `insert into conversations (id, user_id, title, instructions, created_at, updated_at)
     values ($1, $2, $3, $4, coalesce($5, clock_timestamp()), coalesce($5, clock_timestamp())) returning *`,
    [id, userId, title, instructions, createdAt ?? null],
  )
}

export function findConversation(db: Db, userId: number, id: string): Promise<Conversation | null> {
  return db.maybeOne(Conversation, `select * from conversations where id = $1 and user_id = $2`, [id, userId])
}

export interface ListOptions {
  /** Words to find in titles and texts; null for all. */
  search: string | null
  before: { at: Date; id: string } | null
  limit: number
}

/** Newest first, the pinned ones left out unless something is searched for. */
export function listConversations(db: Db, userId: number, options: ListOptions): Promise<Conversation[]> {
  const { search, before, limit } = options
  return db.many(
    Conversation,
    `select c.* from conversations c
     where c.user_id = $1 and c.deleted_at is null and ($2::timestamptz is null or (c.updated_at, c.id) < ($2, $3::uuid))
       and case when $5::text is null then c.pinned_at is null else c.title ilike $5
         or exists (select from chat_messages m where m.conversation_id = c.id and m.text ilike $5)
         or exists (select from replies r where r.conversation_id = c.id and r.text ilike $5) end
     order by c.updated_at desc, c.id desc limit $4`,
    [userId, before?.at ?? null, before?.id ?? null, limit, search === null ? null : likePattern(search)],
  )
}

function likePattern(words: string): string {
  return `%${words.replace(/[\\%_]/g, '\\$&')}%`
}

export function listPinned(db: Db, userId: number): Promise<Conversation[]> {
  return db.many(
    Conversation,
    `select * from conversations where user_id = $1 and deleted_at is null and pinned_at is not null
     order by pinned_at desc, id desc limit 100`,
    [userId],
  )
}

export async function setTitle(db: Db, conversation: Conversation, title: string): Promise<void> {
  await db.run(`update conversations set title = $2 where id = $1`, [conversation.id, title])
}

export async function setConversationInstructions(db: Db, conversation: Conversation, text: string): Promise<void> {
  await db.run(`update conversations set instructions = $2 where id = $1`, [conversation.id, text])
}

export async function setPinned(db: Db, conversation: Conversation, pinned: boolean): Promise<void> {
  await db.run(
    `update conversations set pinned_at = case when $2 then coalesce(pinned_at, clock_timestamp()) end where id = $1`,
    [conversation.id, pinned],
  )
}

export async function setDeleted(db: Db, conversation: Conversation, deleted: boolean): Promise<void> {
  await db.run(
    `update conversations set deleted_at = case when $2 then coalesce(deleted_at, clock_timestamp()) end where id = $1`,
    [conversation.id, deleted],
  )
}

/** Forgets what was deleted more than `days` ago, and texts that were attached to nothing; gives the conversations. */
export async function purgeConversations(db: Db, days: number): Promise<{ id: string; userId: number }[]> {
  const gone = await db.many(
    z.object({ id: z.string(), userId: z.number() }),
    `delete from conversations where deleted_at < now() - make_interval(days => $1) returning id, user_id`,
    [days],
  )
  await db.run(
    `delete from chat_texts t where created_at < now() - interval '7 days'
       and not exists (select from chat_attachments a where a.text_id = t.id)`,
  )
  return gone
}

// Messages

export interface NewMessage {
  id: string
  conversationId: string
  userId: number
  parentId: string | null
  role: Message['role']
  text?: string
  submission?: string | null
  createdAt?: Date
}

/** Adds a message and makes its branch the one that is shown. */
export function insertMessage(db: Db, message: NewMessage): Promise<Message> {
  return db.one(
    Message,
    `with moved as (
       update conversations set head = $1, updated_at = coalesce($8, clock_timestamp()) where id = $2)
     insert into chat_messages (id, conversation_id, user_id, parent_id, role, text, submission, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, clock_timestamp())) returning *`,
    [
      message.id,
      message.conversationId,
      message.userId,
      message.parentId,
      message.role,
      message.text ?? '',
      message.submission ?? null,
      message.createdAt ?? null,
    ],
  )
}

export function findMessage(db: Db, conversation: Conversation, id: string): Promise<Message | null> {
  return db.maybeOne(Message, `select * from chat_messages where id = $1 and conversation_id = $2`, [
    id,
    conversation.id,
  ])
}

export function findMessageBySubmission(db: Db, userId: number, submission: string): Promise<Message | null> {
  return db.maybeOne(Message, `select * from chat_messages where submission = $2 and user_id = $1`, [
    userId,
    submission,
  ])
}

/** From the first message down to `leaf`. */
export function listBranch(db: Db, conversation: Conversation, leaf: string): Promise<Message[]> {
  return db.many(
    Message,
    `with recursive branch as (
       select m.*, 0 as depth from chat_messages m where id = $1 and conversation_id = $2
       union all
       select p.*, depth + 1 from chat_messages p join branch b on p.id = b.parent_id)
     select * from branch order by depth desc`,
    [leaf, conversation.id],
  )
}

/** Every message of the conversation, all branches, parents before children. */
export function listMessages(db: Db, conversation: Conversation): Promise<Message[]> {
  return db.many(Message, `select * from chat_messages where conversation_id = $1 order by number`, [conversation.id])
}

/** The end of the newest branch through a message. */
export async function findLeafBelow(db: Db, conversation: Conversation, messageId: string): Promise<string | null> {
  const row = await db.maybeOne(
    z.object({ id: z.string() }),
    `with recursive down as (
       select id, number from chat_messages where id = $1 and conversation_id = $2
       union all
       select c.id, c.number from down d cross join lateral (
         select id, number from chat_messages
         where conversation_id = $2 and parent_id = d.id order by number desc limit 1) c)
     select id from down order by number desc limit 1`,
    [messageId, conversation.id],
  )
  return row?.id ?? null
}

/** Messages that stand beside another under the same parent, in their order. */
export function listSiblings(db: Db, conversation: Conversation): Promise<{ id: string; parentId: string | null }[]> {
  return db.many(
    z.object({ id: z.string(), parentId: z.string().nullable() }),
    `select id, parent_id from (
       select id, parent_id, number, count(*) over (partition by parent_id) as beside
       from chat_messages where conversation_id = $1) m
     where beside > 1 order by number`,
    [conversation.id],
  )
}

export async function insertAttachments(
  db: Db,
  messageId: string,
  attachments: readonly { name: string; token: string | null; textId: string | null }[],
): Promise<void> {
  if (attachments.length === 0) return
  await db.run(
    `insert into chat_attachments (message_id, position, name, token, text_id)
     select $1, ordinality - 1, name, token, text_id
     from unnest($2::text[], $3::text[], $4::uuid[]) with ordinality as a (name, token, text_id, ordinality)`,
    [
      messageId,
      attachments.map(each => each.name),
      attachments.map(each => each.token),
      attachments.map(each => each.textId),
    ],
  )
}

export function listAttachments(db: Db, messageIds: readonly string[]): Promise<Attachment[]> {
  return db.many(
    Attachment,
    `select a.*, t.text from chat_attachments a left join chat_texts t on t.id = a.text_id
     where a.message_id = any($1) order by a.message_id, a.position`,
    [messageIds],
  )
}

const StoredText = z.object({ id: z.string(), name: z.string(), text: z.string() })
export type StoredText = z.output<typeof StoredText>

export function insertText(db: Db, userId: number, name: string, text: string): Promise<StoredText> {
  return db.one(
    StoredText,
    `insert into chat_texts (user_id, name, text) values ($1, $2, $3) returning id, name, text`,
    [userId, name, text],
  )
}

export function listTexts(db: Db, userId: number, ids: readonly string[]): Promise<StoredText[]> {
  return db.many(StoredText, `select id, name, text from chat_texts where user_id = $1 and id = any($2)`, [userId, ids])
}

// Replies

export interface NewReply {
  messageId: string
  conversationId: string
  userId: number
  signInId: string | null
  purpose: Reply['purpose']
  model: string
  effort: string | null
  keyId: number
  keySecret: Buffer
  caller: { address: string; userAgent: string }
}

export async function insertReply(db: Db, reply: NewReply): Promise<void> {
  await db.run(
    `insert into replies (message_id, conversation_id, user_id, sign_in_id, purpose, model, effort, key_id, key_secret,
       caller_address, caller_user_agent)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      reply.messageId,
      reply.conversationId,
      reply.userId,
      reply.signInId,
      reply.purpose,
      reply.model,
      reply.effort,
      reply.keyId,
      reply.keySecret,
      reply.caller.address,
      reply.caller.userAgent,
    ],
  )
}

/** An answer that was written elsewhere, read back from a snapshot. */
export async function insertFinishedReply(
  db: Db,
  reply: Pick<NewReply, 'messageId' | 'conversationId' | 'userId' | 'model' | 'effort'> &
    Pick<Reply, 'state' | 'text' | 'reasoning' | 'html' | 'cutBy' | 'inputTokens' | 'outputTokens' | 'failureReason'>,
): Promise<void> {
  await db.run(
    `insert into replies (message_id, conversation_id, user_id, purpose, model, effort, caller_address, caller_user_agent,
       state, text, reasoning, html, cut_by, input_tokens, output_tokens, failure_reason, finished_at)
     values ($1, $2, $3, 'answer', $4, $5, '', '', $6, $7, $8, $9, $10, $11, $12, $13, now())`,
    [
      reply.messageId,
      reply.conversationId,
      reply.userId,
      reply.model,
      reply.effort,
      reply.state,
      reply.text,
      reply.reasoning,
      reply.html,
      reply.cutBy,
      reply.inputTokens,
      reply.outputTokens,
      reply.failureReason,
    ],
  )
}

export function findReply(db: Db, userId: number, messageId: string): Promise<Reply | null> {
  return db.maybeOne(Reply, `select * from replies where message_id = $1 and user_id = $2`, [messageId, userId])
}

export function listReplies(db: Db, messageIds: readonly string[]): Promise<Reply[]> {
  return db.many(Reply, `select * from replies where message_id = any($1)`, [messageIds])
}

export async function countUnfinished(db: Db, userId: number): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) from replies where user_id = $1 and state in ('queued', 'running')`,
    [userId],
  )
  return count
}

/** Takes up to `slots` waiting answers, one worker at a time so that the limits hold over all processes; oldest first. */
export function claimReplies(
  db: Db,
  limits: { slots: number; perUser: number; leaseSeconds: number },
): Promise<ClaimedReply[]> {
  return db.transaction(async tx => {
    await tx.run(`select pg_advisory_xact_lock($1, 0)`, [CLAIM_LOCK])
    return tx.many(
      ClaimedReply,
      `with busy as (select user_id, count(*) as running from replies where state = 'running' group by user_id),
         waiting as (
           select message_id, created_at,
             coalesce(running, 0) + row_number() over (partition by user_id order by created_at, message_id) as turn
           from replies left join busy using (user_id)
           where state = 'queued' and (not_before is null or not_before <= now())),
         next as (select message_id from waiting where turn <= $2 order by turn, created_at limit $1)
       update replies set state = 'running', version = version + 1, claim = gen_random_uuid(),
         lease_until = now() + make_interval(secs => $3), attempts = attempts + 1, not_before = null,
         started_at = coalesce(started_at, now())
       where message_id in (select message_id from next) and state = 'queued' returning *`,
      [limits.slots, limits.perUser, limits.leaseSeconds],
    )
  })
}

/**
 * The last step before the gateway is asked: from here on the answer is never asked for again by itself. Null when the
 * claim no longer holds or a stop came first.
 */
export function markCalled(db: Db, reply: ClaimedReply): Promise<ClaimedReply | null> {
  return db.maybeOne(
    ClaimedReply,
    `update replies set called_at = now()
     where message_id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null returning *`,
    [reply.messageId, reply.claim],
  )
}

export async function setRequestId(db: Db, reply: ClaimedReply, requestId: string): Promise<void> {
  await db.run(`update replies set request_id = $3 where message_id = $1 and claim = $2`, [
    reply.messageId,
    reply.claim,
    requestId,
  ])
}

const Delta = z.object({ seq: z.number(), kind: z.enum(['text', 'reasoning']), text: z.string() })
export type Delta = z.output<typeof Delta>

/** Adds what has come and wakes the pages that show it; nothing when the claim no longer holds. Safe to repeat. */
export async function appendDeltas(db: Db, reply: ClaimedReply, deltas: readonly Delta[]): Promise<void> {
  await db.run(
    `with mine as (select message_id from replies where message_id = $1 and claim = $2 and state = 'running'),
       added as (
         insert into reply_deltas (message_id, seq, kind, text)
         select message_id, seq, kind, text from mine, unnest($3::int[], $4::text[], $5::text[]) as d (seq, kind, text)
         on conflict do nothing returning seq)
     select pg_notify($6, $7) where exists (select from added)`,
    [
      reply.messageId,
      reply.claim,
      deltas.map(delta => delta.seq),
      deltas.map(delta => delta.kind),
      deltas.map(delta => delta.text),
      CHANNEL,
      `${reply.conversationId} text`,
    ],
  )
}

export function listDeltas(db: Db, messageId: string, after: number): Promise<Delta[]> {
  return db.many(Delta, `select seq, kind, text from reply_deltas where message_id = $1 and seq > $2 order by seq`, [
    messageId,
    after,
  ])
}

/** How an answer ended. */
export interface ReplyEnding {
  state: 'done' | 'failed' | 'unknown' | 'stopped'
  text: string
  reasoning: string
  html: string
  cutBy?: string | null
  usage?: Pick<Reply, 'inputTokens' | 'cachedTokens' | 'outputTokens' | 'reasoningTokens'> | null
  reason?: Reply['failureReason']
  charged?: Reply['charged']
  detail?: string | null | undefined
  retryAt?: Date | null | undefined
  requestId?: string | null | undefined
}

/**
 * Ends an answer, erases its key and moves its text into its row. A worker that was thought dead may still tell better
 * than `unknown`: its claim stays on the row. Null when the claim does not hold.
 */
export async function finishReply(tx: Db, reply: ClaimedReply, ending: ReplyEnding): Promise<Reply | null> {
  const { usage } = ending
  const ended = await tx.maybeOne(
    Reply,
    `update replies set state = $3, version = version + 1, finished_at = now(), key_secret = null, lease_until = null,
       text = $4, reasoning = $5, html = $6, cut_by = $7, input_tokens = $8, cached_tokens = $9, output_tokens = $10,
       reasoning_tokens = $11, failure_reason = $12, charged = $13, failure_detail = $14, retry_at = $15,
       request_id = coalesce($16, request_id)
     where message_id = $1 and claim = $2 and state in ('running', 'unknown') returning *`,
    [
      reply.messageId,
      reply.claim,
      ending.state,
      ending.text,
      ending.reasoning,
      ending.html,
      ending.cutBy ?? null,
      usage?.inputTokens ?? null,
      usage?.cachedTokens ?? null,
      usage?.outputTokens ?? null,
      usage?.reasoningTokens ?? null,
      ending.reason ?? null,
      ending.charged ?? null,
      ending.detail ?? null,
      ending.retryAt ?? null,
      ending.requestId ?? null,
    ],
  )
  if (!ended) return null
  await tx.run(`delete from reply_deltas where message_id = $1`, [reply.messageId])
  await tellPages(tx, reply.conversationId, 'change')
  return ended
}

/**
 * Back into the queue: at `notBefore` because the gateway proved that nothing was charged, or at once, null, when nothing
 * was sent yet. False when a stop came first.
 */
export async function requeueReply(db: Db, reply: ClaimedReply, notBefore: Date | null): Promise<boolean> {
  const changed = await db.run(
    `update replies set state = 'queued', version = version + 1, claim = null, lease_until = null, called_at = null,
       not_before = $3
     where message_id = $1 and claim = $2 and state = 'running' and cancel_requested_at is null
       and ($3::timestamptz is not null or called_at is null)`,
    [reply.messageId, reply.claim, notBefore],
  )
  if (changed === 1) await tellPages(db, reply.conversationId, 'change')
  return changed === 1
}

/** Ends an answer that waits, or asks the worker that writes it to stop. False when it had ended already. */
export async function stopReply(db: Db, reply: Reply): Promise<boolean> {
  const ended = await db.run(
    `update replies set state = 'stopped', version = version + 1, finished_at = now(), key_secret = null, charged = 'no',
       html = '' where message_id = $1 and state = 'queued'`,
    [reply.messageId],
  )
  if (ended === 1) {
    await tellPages(db, reply.conversationId, 'change')
    return true
  }
  const asked = await db.run(
    `update replies set cancel_requested_at = coalesce(cancel_requested_at, now())
     where message_id = $1 and state = 'running'`,
    [reply.messageId],
  )
  if (asked === 1) await db.run(`select pg_notify($1, $2)`, [CHANNEL, `stop ${reply.messageId}`])
  return asked === 1
}

/** Which of these claims somebody wants stopped. */
export async function listCancelledReplies(db: Db, claims: readonly string[]): Promise<string[]> {
  const rows = await db.many(
    z.object({ claim: z.string() }),
    `select claim from replies where claim = any($1::uuid[]) and state = 'running' and cancel_requested_at is not null`,
    [claims],
  )
  return rows.map(row => row.claim)
}

export async function extendReplyLeases(db: Db, claims: readonly string[], leaseSeconds: number): Promise<void> {
  await db.run(
    `update replies set lease_until = now() + make_interval(secs => $2)
     where claim = any($1::uuid[]) and state = 'running'`,
    [claims, leaseSeconds],
  )
}

/** Running answers whose worker has not been heard of: claimed anew, by whoever ends them. */
export function claimAbandonedReplies(db: Db, leaseSeconds: number): Promise<ClaimedReply[]> {
  return db.many(
    ClaimedReply,
    `update replies set lease_until = now() + make_interval(secs => $1)
     where message_id in (
       select message_id from replies where state = 'running' and lease_until < now() limit 100 for update skip locked)
     returning *`,
    [leaseSeconds],
  )
}

// Tool calls

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

/** The picture job of the call has been started. */
export async function setPainting(
  db: Db,
  call: ToolCall,
  painting: { jobId: string; prompt: string; size: string; n: number },
): Promise<boolean> {
  const changed = await db.run(
    `update tool_calls set state = 'painting', version = version + 1, job_id = $2, prompt = $3, size = $4, n = $5
     where message_id = $1 and state = 'asked'`,
    [call.messageId, painting.jobId, painting.prompt, painting.size, painting.n],
  )
  if (changed === 1) await tellPages(db, call.conversationId, 'change')
  return changed === 1
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

/** Calls whose picture job has ended, however it did. */
export function listPainted(db: Db): Promise<ToolCall[]> {
  return db.many(
    ToolCall,
    `select t.* from tool_calls t join image_jobs j on j.id = t.job_id
     where t.state = 'painting' and j.state not in ('queued', 'running') limit 100`,
  )
}

// Settings and drafts

export async function findSettings(db: Db, userId: number): Promise<Settings> {
  return (await db.maybeOne(Settings, `select * from chat_settings where user_id = $1`, [userId])) ?? firstSettings
}

export async function upsertSettings(db: Db, userId: number, settings: Settings): Promise<void> {
  await db.run(
    `insert into chat_settings (user_id, instructions, ask_before_paying, list_open, model, effort)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (user_id) do update set instructions = $2, ask_before_paying = $3, list_open = $4, model = $5, effort = $6`,
    [userId, settings.instructions, settings.askBeforePaying, settings.listOpen, settings.model, settings.effort],
  )
}

export async function findDraft(db: Db, userId: number, place: string): Promise<unknown> {
  const row = await db.maybeOne(
    z.object({ form: z.unknown() }),
    `select form from chat_drafts where user_id = $1 and place = $2`,
    [userId, place],
  )
  return row?.form ?? null
}

export async function upsertDraft(db: Db, userId: number, place: string, form: unknown): Promise<void> {
  await db.run(
    `insert into chat_drafts (user_id, place, form) values ($1, $2, $3)
     on conflict (user_id, place) do update set form = $3, updated_at = now()`,
    [userId, place, JSON.stringify(form)],
  )
}

export async function deleteDraft(db: Db, userId: number, place: string): Promise<void> {
  await db.run(`delete from chat_drafts where user_id = $1 and place = $2`, [userId, place])
}

// Reading snapshots back

export async function conversationExists(db: Db, id: string): Promise<boolean> {
  return (await db.maybeOne(z.object({ id: z.string() }), `select id from conversations where id = $1`, [id])) !== null
}

export async function setImportedState(
  db: Db,
  conversation: Conversation,
  { head, updatedAt }: { head: string | null; updatedAt: Date },
): Promise<void> {
  await db.run(`update conversations set head = coalesce($2, head), updated_at = $3 where id = $1`, [
    conversation.id,
    head,
    updatedAt,
  ])
}

/** The job is only looked up by its owner, so one that is not theirs shows nothing. */
export async function setImportedJob(db: Db, messageId: string, jobId: string): Promise<void> {
  await db.run(`update tool_calls set job_id = $2 where message_id = $1`, [messageId, jobId])
}
