import { z } from 'zod'
import type { Db } from '../db/db.ts'

const FileObject = z.object({
  token: z.string(),
  format: z.string(),
  /** Of the bytes that it was made of, which then lie beside it. */
  originalFormat: z.string().nullable(),
  sha256: z.instanceof(Buffer),
})
export type FileObject = z.output<typeof FileObject>

/** One person's, or everybody's, in the order of their tokens, behind `after`. */
export function listFileObjects(
  db: Db,
  { after, limit, userId = null }: { after: string; limit: number; userId?: number | null },
): Promise<FileObject[]> {
  return db.many(
    FileObject,
    `select token, format, original_format, sha256 from files
     where token > $1 and ($3::bigint is null or user_id = $3) order by token limit $2`,
    [after, limit, userId],
  )
}

const FileRow = FileObject.omit({ originalFormat: true }).extend({
  width: z.number(),
  height: z.number(),
  hasAlpha: z.boolean(),
  color: z.string(),
  bytes: z.number(),
})
/** What is said of a file. */
export type FileRow = z.output<typeof FileRow>

/** As `listFileObjects`. */
export function listFileRows(
  db: Db,
  { after, limit, userId }: { after: string; limit: number; userId: number | null },
): Promise<FileRow[]> {
  return db.many(
    FileRow,
    `select token, format, sha256, width, height, has_alpha, color, bytes from files
     where token > $1 and ($3::bigint is null or user_id = $3) order by token limit $2`,
    [after, limit, userId],
  )
}

/** Of the file, and of the pictures that are it. */
export async function replaceFacts(
  db: Db,
  { token }: Pick<FileRow, 'token'>,
  { width, height, hasAlpha, color, bytes }: Pick<FileRow, 'width' | 'height' | 'hasAlpha' | 'color' | 'bytes'>,
): Promise<void> {
  await db.run(
    `with told as (
       update files set width = $2, height = $3, has_alpha = $4, color = $5, bytes = $6 where token = $1 returning token)
     update pictures p set width = $2, height = $3, bytes = $6 from told where p.token = told.token`,
    [token, width, height, hasAlpha, color, bytes],
  )
}

/** The hash of each picture, by the name of its object. */
export async function hashesOf(db: Db): Promise<Map<string, Buffer>> {
  const rows = await db.many(FileObject.pick({ token: true, sha256: true }), `select token, sha256 from files`)
  return new Map(rows.map(({ token, sha256 }) => [token, sha256]))
}

/** Names that are being stored, or are to be deleted: housekeeping sees to them. */
export async function listNamedObjects(db: Db): Promise<string[]> {
  return (await db.many(z.object({ token: z.string() }), `select token from named_files`)).map(({ token }) => token)
}
