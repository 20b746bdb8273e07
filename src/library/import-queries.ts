import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Asked } from '../models/asked.ts'
import type { Picture, Returned } from './queries.ts'

const text = (most: number) => z.string().max(most)
const decimal = z.string().regex(/^\d{1,12}(\.\d{1,20})?$/)

/** A call that was made and billed elsewhere; amounts are US dollars, in decimals. */
export const ForeignReceipt = z.object({
  model: text(200),
  calledAt: z.coerce.date(),
  charged: z.enum(['yes', 'no', 'unknown']),
  amount: decimal.nullable(),
  estimate: decimal.nullable(),
  billedBy: z.enum(['picture', 'tokens']).nullable(),
  requestId: text(200).nullable(),
})
export type ForeignReceipt = z.output<typeof ForeignReceipt>

const Imported = z.object({
  at: z.coerce.date(),
  /** The picture's share of what was charged there. */
  cost: decimal.nullable(),
  receipts: z.array(ForeignReceipt).max(20),
})
/** What is known of a picture that was made elsewhere. */
export type Imported = z.output<typeof Imported>

/** A picture that came in a file, with what that says of it, as far as it can be so. */
export interface ImportedPicture
  extends Pick<
    Picture,
    | 'origin'
    | 'condition'
    | 'derived'
    | 'prompt'
    | 'revisedPrompt'
    | 'model'
    | 'requestedSize'
    | 'quality'
    | 'favourite'
  > {
  userId: number
  /** Of a file that the person has. */
  token: string
  createdAt: Date
  changedOutside: number | null
  asked: Asked | null
  returned: Returned
  sourceTokens: readonly string[]
  folderId: string | null
  /** Keys. */
  tags: readonly string[]
  imported: Imported
  /** That it has elsewhere: brought again it is there already. */
  id?: string
  deletedAt?: Date | null
}

const Found = z.object({ id: z.string(), deletedAt: z.date().nullable() })

/** The picture that shows these bytes already: one that is not in the trash, if there is one. */
export function findByFile(db: Db, userId: number, token: string): Promise<z.output<typeof Found> | null> {
  return db.maybeOne(
    Found,
    `select id, deleted_at from pictures where user_id = $1 and token = $2
     order by deleted_at is not null, is_copy, created_at desc limit 1`,
    [userId, token],
  )
}

/** Those of these files that a picture shows, also one in the trash. */
export async function listShownTokens(db: Db, userId: number, tokens: readonly string[]): Promise<Set<string>> {
  const rows = await db.many(
    z.object({ token: z.string() }),
    `select distinct token from pictures where user_id = $1 and token = any($2)`,
    [userId, tokens],
  )
  return new Set(rows.map(({ token }) => token))
}

/** Out of the trash again, as it was. */
export async function restoreByFile(tx: Db, userId: number, id: string): Promise<void> {
  await tx.run(`update pictures set deleted_at = null, is_copy = false where id = $2 and user_id = $1`, [userId, id])
}

/** Answers its id; null where there is one of that id. */
export async function insertMoved(tx: Db, picture: ImportedPicture): Promise<string | null> {
  const row = await tx.maybeOne(
    z.object({ id: z.string() }),
    `insert into pictures (user_id, token, origin, condition, prompt, revised_prompt, model, requested_size, quality,
       favourite, created_at, changed_outside, asked, returned, source_tokens, folder_id, tags, imported, width, height,
       bytes, id, deleted_at, derived)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, width, height, bytes,
       coalesce($19, gen_random_uuid()), $20, $21
     from files where token = $2 and user_id = $1 on conflict (id) do nothing returning id`,
    [
      picture.userId,
      picture.token,
      picture.origin,
      picture.condition,
      picture.prompt,
      picture.revisedPrompt,
      picture.model,
      picture.requestedSize,
      picture.quality,
      picture.favourite,
      picture.createdAt,
      picture.changedOutside,
      picture.asked && JSON.stringify(picture.asked),
      JSON.stringify(picture.returned),
      picture.sourceTokens,
      picture.folderId,
      picture.tags,
      JSON.stringify(picture.imported),
      picture.id ?? null,
      picture.deletedAt ?? null,
      picture.derived,
    ],
  )
  return row?.id ?? null
}

/** Answers its id. */
export async function insertImported(tx: Db, picture: Omit<ImportedPicture, 'id'>): Promise<string> {
  const id = await insertMoved(tx, picture)
  if (id === null) throw new Error('a picture without a file')
  return id
}

/** Tokens of this person's files with these sums. */
export async function listTokensByHash(db: Db, userId: number, hashes: readonly Buffer[]): Promise<string[]> {
  const rows = await db.many(
    z.object({ token: z.string() }),
    `select token from files where user_id = $1 and sha256 = any($2)`,
    [userId, hashes],
  )
  return rows.map(({ token }) => token)
}

/** Null for one that was made or brought here. */
export async function findImported(db: Db, userId: number, id: string): Promise<Imported | null> {
  const row = await db.maybeOne(
    z.object({ imported: Imported.nullable() }),
    `select imported from pictures where id = $2 and user_id = $1`,
    [userId, id],
  )
  return row?.imported ?? null
}
