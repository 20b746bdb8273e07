import { z } from 'zod'
import type { Db } from '../db/db.ts'

const FileObject = z.object({ token: z.string(), format: z.string(), hasOriginal: z.boolean() })
/** A file, and whether the bytes that it was made of lie beside it. */
export type FileObject = z.output<typeof FileObject>

/** Everybody's, in the order of their tokens, behind `after`. */
export function listFileObjects(db: Db, after: string, limit: number): Promise<FileObject[]> {
  return db.many(
    FileObject,
    `select token, format, original_format is not null as has_original from files where token > $1 order by token limit $2`,
    [after, limit],
  )
}

/** Names that are being stored, or are to be deleted: housekeeping sees to them. */
export async function listNamedObjects(db: Db): Promise<string[]> {
  return (await db.many(FileObject.pick({ token: true }), `select token from named_files`)).map(({ token }) => token)
}
