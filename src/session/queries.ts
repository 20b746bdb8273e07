import { z } from 'zod'
import { type Db, prepared } from '../db/db.ts'

const SignIn = z.object({
  id: z.string(),
  userId: z.number(),
  accessToken: z.instanceof(Buffer),
  renewAt: z.date(),
  refreshToken: z.instanceof(Buffer).nullable(),
  tokenVersion: z.number(),
  refreshingUntil: z.date().nullable(),
  address: z.string(),
  userAgent: z.string(),
  createdAt: z.date(),
  lastSeenAt: z.date(),
})
export type SignIn = z.output<typeof SignIn>

/** Who is asking: one browser's sign-in, with the person behind it. */
const SignedIn = z.object({
  signInId: z.string(),
  userId: z.number(),
  email: z.string(),
  name: z.string(),
  role: z.string(),
  renewAt: z.date(),
  /** Without a refresh token a sign-in lasts until `renewAt`. */
  renewable: z.boolean(),
  lastSeenAt: z.date(),
  address: z.string(),
  userAgent: z.string(),
})
export type SignedIn = z.output<typeof SignedIn>

export function findSignedIn(db: Db, signInId: string): Promise<SignedIn | null> {
  return db.maybeOne(
    SignedIn,
    `select s.id as sign_in_id, s.user_id, u.email, u.name, u.role, s.renew_at,
       s.refresh_token is not null as renewable, s.last_seen_at, s.address, s.user_agent
     from sign_ins s join users u on u.id = s.user_id
     where s.id = $1 and (s.refresh_token is not null or s.renew_at > now())`,
    [signInId],
  )
}

/** What comes with a visit from another room's table: its columns, and how it is joined to `sign_ins`. */
export interface Beside {
  columns: string
  join: string
}

/** A browser comes back. */
export interface Visit {
  /** What is kept for this browser. */
  session: unknown
  /** Null when nobody is signed in with it, or not any more. */
  signedIn: SignedIn | null
  /** With the columns of what comes beside it. */
  row: Record<string, unknown>
}

/**
 * For a statement of another room: who is signed in, by the hash of the session's id as parameter 1, if this request may
 * leave the session and the sign-in as they are. Nobody a minute after they were seen, or when a token is to be renewed.
 */
export const atRest = `(select sign_ins.user_id from sessions
  join sign_ins on sign_ins.id = (sessions.sess->>'signInId')::uuid
    and sign_ins.last_seen_at > now() - interval '1 minute' and sign_ins.renew_at > now()
  where sessions.sid = $1 and sessions.expire > now())`

/** How a visit is found by the hash of the session's id, in one statement: every request begins with it. */
export function visits({ columns, join }: Beside): (db: Db, sid: string) => Promise<Visit | null> {
  const sql = prepared(
    `select ${columns}, sessions.sess as session, sign_ins.id as sign_in_id, sign_ins.user_id, users.email, users.name,
       users.role, sign_ins.renew_at, sign_ins.refresh_token is not null as renewable, sign_ins.last_seen_at, sign_ins.address, sign_ins.user_agent
     from sessions
       left join sign_ins on sign_ins.id = (sessions.sess->>'signInId')::uuid
         and (sign_ins.refresh_token is not null or sign_ins.renew_at > now())
       left join users on users.id = sign_ins.user_id
       ${join}
     where sessions.sid = $1 and sessions.expire > now()`,
  )
  return async (db, sid) => {
    const row = await db.maybeOne(z.looseObject({ session: z.unknown(), signInId: z.string().nullable() }), sql, [sid])
    return row && { session: row.session, signedIn: row.signInId === null ? null : SignedIn.parse(row), row }
  }
}

/** False while all that was theirs is being deleted. */
export async function upsertUser(
  db: Db,
  user: { id: number; email: string; name: string; role: string },
): Promise<boolean> {
  const written = await db.run(
    `insert into users (id, email, name, role) values ($1, $2, $3, $4)
     on conflict (id) do update set email = $2, name = $3, role = $4, signed_in_at = now()
       where users.leaving_at is null`,
    [user.id, user.email, user.name, user.role],
  )
  return written === 1
}

/** What the gateway says by now. */
export async function setRole(db: Db, userId: number, role: string): Promise<void> {
  await db.run(`update users set role = $2 where id = $1`, [userId, role])
}

/** Somebody whose things were brought before they ever signed in: who they are is learnt then. False as for `upsertUser`. */
export async function expectUser(db: Db, userId: number): Promise<boolean> {
  await db.run(`insert into users (id, email, name, role) values ($1, '', '', 'user') on conflict do nothing`, [userId])
  const row = await db.maybeOne(
    z.object({ id: z.number() }),
    `select id from users where id = $1 and leaving_at is null`,
    [userId],
  )
  return row !== null
}

export async function findEmail(db: Db, userId: number): Promise<string | null> {
  const row = await db.maybeOne(z.object({ email: z.string() }), `select email from users where id = $1`, [userId])
  return row?.email ?? null
}

/** When a person was here first; null: never. */
export async function findFirstSignIn(db: Db, userId: number): Promise<Date | null> {
  const row = await db.maybeOne(z.object({ createdAt: z.date() }), `select created_at from users where id = $1`, [
    userId,
  ])
  return row?.createdAt ?? null
}

export interface SealedTokens {
  accessToken: Buffer
  renewAt: Date
  refreshToken: Buffer | null
}

export async function insertSignIn(
  db: Db,
  userId: number,
  tokens: SealedTokens,
  caller: { address: string; userAgent: string },
): Promise<string> {
  const { id } = await db.one(
    z.object({ id: z.string() }),
    `insert into sign_ins (user_id, access_token, renew_at, refresh_token, address, user_agent)
     values ($1, $2, $3, $4, $5, $6) returning id`,
    [userId, tokens.accessToken, tokens.renewAt, tokens.refreshToken, caller.address, caller.userAgent],
  )
  return id
}

/** For the tokens' own room only: everybody else holds a `SignedIn`. */
export function findSignIn(db: Db, signInId: string): Promise<SignIn | null> {
  return db.maybeOne(SignIn, `select * from sign_ins where id = $1`, [signInId])
}

/** Takes the right to refresh for `seconds`; null when another process has it or has refreshed already. */
export function claimRefresh(db: Db, signIn: SignIn, seconds: number): Promise<SignIn | null> {
  return db.maybeOne(
    SignIn,
    `update sign_ins set refreshing_until = now() + make_interval(secs => $3)
     where id = $1 and token_version = $2 and (refreshing_until is null or refreshing_until < now()) returning *`,
    [signIn.id, signIn.tokenVersion, seconds],
  )
}

export function finishRefresh(db: Db, signIn: SignIn, tokens: SealedTokens): Promise<SignIn | null> {
  return db.maybeOne(
    SignIn,
    `update sign_ins set access_token = $3, renew_at = $4, refresh_token = coalesce($5, refresh_token),
       token_version = token_version + 1, refreshing_until = null
     where id = $1 and token_version = $2 returning *`,
    [signIn.id, signIn.tokenVersion, tokens.accessToken, tokens.renewAt, tokens.refreshToken],
  )
}

/** Sign-ins of which a token was sealed with one of these. */
export function listSignInsSealedWith(
  db: Db,
  sealedWith: readonly Buffer[],
  after: string | null,
  limit: number,
): Promise<SignIn[]> {
  return db.many(
    SignIn,
    `select * from sign_ins
     where (substring(access_token from 2 for 4) = any($1::bytea[])
         or substring(refresh_token from 2 for 4) = any($1::bytea[]))
       and ($2::uuid is null or id > $2) order by id limit $3`,
    [sealedWith, after, limit],
  )
}

/** The same tokens, sealed anew; nothing when they have been exchanged for others. */
export function replaceTokens(db: Db, signIn: SignIn, tokens: Omit<SealedTokens, 'renewAt'>): Promise<number> {
  return db.run(`update sign_ins set access_token = $3, refresh_token = $4 where id = $1 and token_version = $2`, [
    signIn.id,
    signIn.tokenVersion,
    tokens.accessToken,
    tokens.refreshToken,
  ])
}

export async function releaseRefresh(db: Db, signIn: SignIn): Promise<void> {
  await db.run(`update sign_ins set refreshing_until = null where id = $1 and token_version = $2`, [
    signIn.id,
    signIn.tokenVersion,
  ])
}

export async function touchSignIn(db: Db, signInId: string): Promise<void> {
  await db.run(`update sign_ins set last_seen_at = now() where id = $1`, [signInId])
}

export function listSignIns(db: Db, userId: number): Promise<SignIn[]> {
  return db.many(SignIn, `select * from sign_ins where user_id = $1 order by last_seen_at desc limit 100`, [userId])
}

export function deleteSignIn(db: Db, userId: number, signInId: string): Promise<SignIn | null> {
  return db.maybeOne(SignIn, `delete from sign_ins where id = $1 and user_id = $2 returning *`, [signInId, userId])
}

export function deleteSignIns(db: Db, userId: number): Promise<SignIn[]> {
  return db.many(SignIn, `delete from sign_ins where user_id = $1 returning *`, [userId])
}

/** Those nobody has used for `days`: their cookie is gone; and those that have ended by themselves. */
export function deleteStaleSignIns(db: Db, days: number): Promise<number> {
  return db.run(
    `delete from sign_ins
     where last_seen_at < now() - make_interval(days => $1) or (refresh_token is null and renew_at < now())`,
    [days],
  )
}

/** Of the browser that this person used last: for what has to be asked of the gateway while nobody is there. */
export async function findLatestSignInId(db: Db, userId: number): Promise<string | null> {
  const row = await db.maybeOne(
    z.object({ id: z.string() }),
    `select id from sign_ins where user_id = $1 order by last_seen_at desc limit 1`,
    [userId],
  )
  return row?.id ?? null
}
