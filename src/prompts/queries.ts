import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { FormValues } from '../images/prompt.ts'

const SavedPrompt = z.object({ id: z.string(), name: z.string(), form: z.unknown(), createdAt: z.date() })
export type SavedPrompt = z.output<typeof SavedPrompt>

const columns = 'id, name, form, created_at'

export function listSaved(db: Db, userId: number): Promise<SavedPrompt[]> {
  return db.many(
    SavedPrompt,
    `select ${columns} from saved_prompts where user_id = $1 order by created_at desc, id desc`,
    [userId],
  )
}

export function findSaved(db: Db, userId: number, id: string): Promise<SavedPrompt | null> {
  return db.maybeOne(SavedPrompt, `select ${columns} from saved_prompts where user_id = $1 and id = $2`, [userId, id])
}

/** Null when there are `limit` of them already. */
export function insertSaved(
  db: Db,
  userId: number,
  { name, form }: { name: string; form: FormValues },
  limit: number,
): Promise<SavedPrompt | null> {
  return db.maybeOne(
    SavedPrompt,
    `insert into saved_prompts (user_id, name, form) select $1, $2, $3
     where (select count(*) from saved_prompts where user_id = $1) < $4 returning ${columns}`,
    [userId, name, JSON.stringify(form), limit],
  )
}

/** Null when it is not there. */
export function renameSaved(db: Db, userId: number, id: string, name: string): Promise<SavedPrompt | null> {
  return db.maybeOne(
    SavedPrompt,
    `update saved_prompts set name = $3 where user_id = $1 and id = $2 returning ${columns}`,
    [userId, id, name],
  )
}

/** What it was; null when it is not there. */
export function deleteSaved(db: Db, userId: number, id: string): Promise<SavedPrompt | null> {
  return db.maybeOne(SavedPrompt, `delete from saved_prompts where user_id = $1 and id = $2 returning ${columns}`, [
    userId,
    id,
  ])
}
