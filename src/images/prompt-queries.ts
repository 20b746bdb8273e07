import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** Jobs that are looked at: who has asked for more has asked for the older ones long ago. */
const MOST_JOBS = 2000
const LONGEST_SHOWN = 300

const Prompt = z.object({ jobId: z.string(), prompt: z.string() })
/** What a person asked for, once, with the newest job that has it. */
export type Prompt = z.output<typeof Prompt>

/** Newest first. `words`: each is somewhere in it, in whatever case; none for all. Of each as many characters as `longest`. */
export function listPrompts(
  db: Db,
  userId: number,
  words: readonly string[],
  limit: number,
  longest = LONGEST_SHOWN,
): Promise<Prompt[]> {
  return db.many(
    Prompt,
    `with recent as (
       select id, prompt, created_at from image_jobs where user_id = $1 order by created_at desc, id desc limit ${MOST_JOBS}),
     found as (
       select distinct on (prompt) id, prompt, created_at from recent
       where normalize(prompt) ilike all ($2::text[]) order by prompt, created_at desc, id desc)
     select id as job_id, left(prompt, $4) as prompt from found order by created_at desc, id desc limit $3`,
    [userId, words.map(word => `%${word.normalize().replace(/[\\%_]/g, '\\$&')}%`), limit, longest],
  )
}
