import { z } from 'zod'
import type { UsableKey } from '../account/requester.ts'
import type { Db } from '../db/db.ts'
import { failureReasons } from '../gateway/errors.ts'
import type { FormValues } from '../images/prompt.ts'

export const suggestionKinds = ['improve', 'describe'] as const

const Suggestion = z.object({
  id: z.string(),
  userId: z.number(),
  signInId: z.string().nullable(),
  kind: z.enum(suggestionKinds),
  language: z.string(),
  form: z.unknown(),
  token: z.string().nullable(),
  /** *open* until the person has said that it is to be paid for, *asked* until the model is, *called* until it has answered. */
  state: z.enum(['open', 'asked', 'called', 'done', 'failed', 'unknown']),
  model: z.string().nullable(),
  keyId: z.number().nullable(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  fromBalance: z.boolean(),
  expected: z.coerce.number().nullable(),
  callerAddress: z.string().nullable(),
  callerUserAgent: z.string().nullable(),
  text: z.string().nullable(),
  failureReason: z.enum(failureReasons).nullable(),
  /** Why it was not sent. */
  refusal: z.object({ key: z.string(), params: z.record(z.string(), z.union([z.string(), z.number()])) }).nullable(),
  createdAt: z.date(),
  askedAt: z.date().nullable(),
})
/** A prompt that a text model writes in place of one, or for a picture. */
export type Suggestion = z.output<typeof Suggestion>
export type Refused = NonNullable<Suggestion['refusal']>

const MOST_OPEN = 20

/** Of those that were never asked for, the oldest make room. */
export async function insertSuggestion(
  tx: Db,
  userId: number,
  what: Pick<Suggestion, 'kind' | 'language' | 'token'> & { form: FormValues },
): Promise<Suggestion> {
  await tx.run(
    `delete from suggestions where id in (
       select id from suggestions where user_id = $1 and state = 'open' order by created_at desc, id desc offset $2)`,
    [userId, MOST_OPEN - 1],
  )
  return tx.one(
    Suggestion,
    `insert into suggestions (user_id, kind, language, token, form) values ($1, $2, $3, $4, $5) returning *`,
    [userId, what.kind, what.language, what.token, JSON.stringify(what.form)],
  )
}

export function findSuggestion(db: Db, userId: number, id: string): Promise<Suggestion | null> {
  return db.maybeOne(Suggestion, `select * from suggestions where user_id = $1 and id = $2`, [userId, id])
}

/** Those that were asked for, the newest first. */
export function listSuggestions(db: Db, userId: number, limit: number): Promise<Suggestion[]> {
  return db.many(
    Suggestion,
    `select * from suggestions where user_id = $1 and state <> 'open' order by created_at desc, id desc limit $2`,
    [userId, limit],
  )
}

/** All, the oldest first, behind one of them. */
export function listSuggestionsAfter(
  db: Db,
  userId: number,
  after: Suggestion | null,
  limit: number,
): Promise<Suggestion[]> {
  return db.many(
    Suggestion,
    `select * from suggestions
     where user_id = $1 and ($2::timestamptz is null or (created_at, id) > ($2, $3::uuid)) order by created_at, id limit $4`,
    [userId, after?.createdAt ?? null, after?.id ?? null, limit],
  )
}

/** Which model was asked last; null before the first time. */
export async function findLastModel(db: Db, userId: number): Promise<string | null> {
  const row = await db.maybeOne(
    z.object({ model: z.string() }),
    `select model from suggestions where user_id = $1 and model is not null order by asked_at desc limit 1`,
    [userId],
  )
  return row?.model ?? null
}

/** It is to be paid for: by the first press, and no other. */
export async function markAsked(
  tx: Db,
  { id, userId }: Suggestion,
  by: Pick<UsableKey, 'keyId' | 'keyName' | 'keyGroup' | 'fromBalance'> & {
    signInId: string | null
    model: string
    expected: number
    caller: { address: string; userAgent: string }
  },
): Promise<boolean> {
  const asked = await tx.maybeOne(
    Suggestion,
    `update suggestions set state = 'asked', asked_at = clock_timestamp(), sign_in_id = $3, model = $4, expected = $5,
       key_id = $6, key_name = $7, key_group = $8, from_balance = $9, caller_address = $10, caller_user_agent = $11
     where user_id = $1 and id = $2 and state = 'open' returning *`,
    [
      userId,
      id,
      by.signInId,
      by.model,
      by.expected,
      by.keyId,
      by.keyName,
      by.keyGroup,
      by.fromBalance,
      by.caller.address,
      by.caller.userAgent,
    ],
  )
  return asked !== null
}

/** The last step before the model is asked; false when it was, or is not to be. */
export async function markCalled(tx: Db, { id, userId }: Suggestion): Promise<boolean> {
  const called = await tx.maybeOne(
    Suggestion,
    `update suggestions set state = 'called' where user_id = $1 and id = $2 and state = 'asked' returning *`,
    [userId, id],
  )
  return called !== null
}

export interface SuggestionEnd {
  state: 'done' | 'failed' | 'unknown'
  text?: string
  reason?: Suggestion['failureReason']
  refusal?: Refused
}

export async function endSuggestion(tx: Db, { id, userId }: Suggestion, end: SuggestionEnd): Promise<void> {
  await tx.run(
    `update suggestions set state = $3, text = $4, failure_reason = $5, refusal = $6, finished_at = clock_timestamp()
     where user_id = $1 and id = $2 and state in ('asked', 'called')`,
    [userId, id, end.state, end.text ?? null, end.reason ?? null, end.refusal ? JSON.stringify(end.refusal) : null],
  )
}

/** Nobody has told how it ended. */
export async function loseSuggestion(tx: Db, userId: number, id: string): Promise<void> {
  await tx.run(
    `update suggestions set state = 'unknown', finished_at = clock_timestamp()
     where user_id = $1 and id = $2 and state = 'called'`,
    [userId, id],
  )
}

/** Those that nobody went on with go; what was asked for and lost with a restore is in doubt. Answers how many. */
export async function tidySuggestions(db: Db): Promise<number> {
  const { tidied } = await db.one(
    z.object({ tidied: z.number() }),
    `with gone as (
       delete from suggestions where state = 'open' and created_at < now() - interval '1 day' returning 1),
     lost as (
       update suggestions set state = 'unknown', finished_at = clock_timestamp()
       where state = 'asked' and asked_at < now() - interval '1 hour' returning 1)
     select ((select count(*) from gone) + (select count(*) from lost))::int as tidied`,
  )
  return tidied
}
