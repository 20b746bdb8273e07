import { z } from 'zod'
import type { Db } from '../db/db.ts'

export const StoredFile = z.object({
  token: z.string(),
  userId: z.number(),
  sha256: z.instanceof(Buffer),
  bytes: z.number(),
  /** `bin`: bytes that cannot be shown; width and height are those of the square that stands for them. */
  format: z.enum(['png', 'jpeg', 'webp', 'bin']),
  width: z.number(),
  height: z.number(),
  hasAlpha: z.boolean(),
  color: z.string(),
  /** Of the bytes as they came, kept too where these are a copy made of them. */
  originalFormat: z.string().nullable(),
  originalBytes: z.number().nullable(),
  createdAt: z.date(),
})
export type StoredFile = z.output<typeof StoredFile>

/** The row of these bytes: a new one, or that of the same bytes the person has already. */
export async function insertFile(db: Db, file: Omit<StoredFile, 'createdAt'>): Promise<StoredFile> {
  return db.one(
    StoredFile,
    `insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color, original_format,
       original_bytes)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
     on conflict (user_id, sha256) do update set sha256 = files.sha256 returning *`,
    [
      file.token,
      file.userId,
      file.sha256,
      file.bytes,
      file.format,
      file.width,
      file.height,
      file.hasAlpha,
      file.color,
      file.originalFormat,
      file.originalBytes,
    ],
  )
}

/** Touched, so that the hourly purge leaves it for another day. */
export function findFileByHash(db: Db, userId: number, sha256: Buffer): Promise<StoredFile | null> {
  return db.maybeOne(StoredFile, `update files set created_at = now() where user_id = $1 and sha256 = $2 returning *`, [
    userId,
    sha256,
  ])
}

/** Tokens of those of a person's files that have one of these hashes, in hex, by it. Touched as by `findFileByHash`. */
export async function touchByHash(db: Db, userId: number, hashes: readonly Buffer[]): Promise<Map<string, string>> {
  // Not those that are young: a hundred thousand rows need not be written to be left alone.
  await db.run(
    `update files set created_at = now()
     where user_id = $1 and sha256 = any($2) and created_at < now() - interval '1 hour'`,
    [userId, hashes],
  )
  const rows = await db.many(
    StoredFile.pick({ token: true, sha256: true }),
    `select token, sha256 from files where user_id = $1 and sha256 = any($2)`,
    [userId, hashes],
  )
  return new Map(rows.map(({ token, sha256 }) => [sha256.toString('hex'), token]))
}

/** Keeps housekeeping from deleting it until the transaction ends. False when it is gone. */
export async function holdFile(tx: Db, userId: number, token: string): Promise<boolean> {
  const row = await tx.maybeOne(
    StoredFile.pick({ token: true }),
    `select token from files where token = $2 and user_id = $1 for key share`,
    [userId, token],
  )
  return row !== null
}

/** In the order of `tokens`; those that are not this person's, or cannot be shown, are missing. */
export function listFiles(db: Db, userId: number, tokens: readonly string[]): Promise<StoredFile[]> {
  return db.many(
    StoredFile,
    `select * from files where user_id = $1 and token = any($2) and format <> 'bin' order by array_position($2, token)`,
    [userId, tokens],
  )
}

/** SHA-256 of these files, by their tokens; those that are not this person's are missing. */
export async function listHashes(db: Db, userId: number, tokens: readonly string[]): Promise<Map<string, Buffer>> {
  const rows = await db.many(
    StoredFile.pick({ token: true, sha256: true }),
    `select token, sha256 from files where user_id = $1 and token = any($2)`,
    [userId, tokens],
  )
  return new Map(rows.map(({ token, sha256 }) => [token, sha256]))
}

/** Of everything that a person has. */
export async function listAllTokens(db: Db, userId: number): Promise<string[]> {
  const rows = await db.many(StoredFile.pick({ token: true }), `select token from files where user_id = $1`, [userId])
  return rows.map(({ token }) => token)
}

export function findFile(db: Db, userId: number, token: string): Promise<StoredFile | null> {
  return db.maybeOne(StoredFile, `select * from files where token = $1 and user_id = $2`, [token, userId])
}

/** Whosever it is: of a picture that can be shown and is not in the trash. */
export function findOpenFile(db: Db, token: string): Promise<StoredFile | null> {
  return db.maybeOne(
    StoredFile,
    `select * from files f where token = $1 and format <> 'bin'
       and exists (select from pictures p where p.token = f.token and p.user_id = f.user_id and p.deleted_at is null)`,
    [token],
  )
}
