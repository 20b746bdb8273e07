import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Asked } from '../models/asked.ts'
import { Derived, isForModel } from './derived.ts'
import { StoredFile } from './file-queries.ts'

/** What the gateway says that it made, as far as it says so. */
export const Returned = z.object({
  size: z.string().optional(),
  quality: z.string().optional(),
  format: z.string().optional(),
  background: z.string().optional(),
  model: z.string().optional(),
})
export type Returned = z.output<typeof Returned>

export const Picture = StoredFile.omit({ sha256: true }).extend({
  id: z.string(),
  jobId: z.string().nullable(),
  position: z.number(),
  model: z.string(),
  prompt: z.string(),
  requestedSize: z.string(),
  quality: z.string(),
  origin: z.enum(['made', 'uploaded', 'composed']),
  sourceTokens: z.array(z.string()),
  changedOutside: z.number().nullable(),
  /** Null where a model made it, or nobody here. */
  derived: Derived.nullable(),
  condition: z.enum(['whole', 'preview', 'incomplete', 'undecodable']),
  favourite: z.boolean(),
  deletedAt: z.date().nullable(),
  /** Of the call that made it, where one did. */
  asked: Asked.nullable(),
  returned: Returned,
  /** What the model made of the prompt, where it says so. */
  revisedPrompt: z.string(),
  /** US dollars: its share of what the call was charged; null while that is not known. */
  cost: z.number().nullable(),
  folderId: z.string().nullable(),
  /** Keys. */
  tags: z.array(z.string()),
})
export type Picture = z.output<typeof Picture>

/** Of a `Picture`, from `pictures p join files f on f.token = p.token`: all but the text that is searched. */
export const columns = `p.id, p.user_id, p.token, p.job_id, p.position, p.model, p.prompt, p.requested_size, p.quality, p.origin,
  p.source_tokens, p.changed_outside, p.derived, p.condition, p.favourite, p.created_at, p.deleted_at, p.width, p.height, p.bytes,
  p.asked, p.returned, p.revised_prompt, p.cost, p.folder_id, p.tags, f.format, f.has_alpha, f.color, f.original_format, f.original_bytes`
const pictures = `pictures p join files f on f.token = p.token`

export interface NewPicture {
  userId: number
  token: string
  /** Null where no job made it. */
  jobId: string | null
  position: number
  model: string
  prompt: string
  requestedSize: string
  quality: string
  /** Of the files it was made from. */
  sourceTokens?: readonly string[]
  condition: Picture['condition']
  asked?: Asked | null
  returned?: Returned
  revisedPrompt?: string
}

/** False when the job has a picture at this position already. */
export async function insertPicture(db: Db, picture: NewPicture): Promise<boolean> {
  const changed = await db.run(
    `insert into pictures (user_id, token, job_id, position, model, prompt, requested_size, quality, source_tokens,
       condition, asked, returned, revised_prompt, width, height, bytes, is_copy)
     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, width, height, bytes, ${hasOlder('made')}
     from files where token = $2 on conflict (job_id, position) do nothing`,
    [
      picture.userId,
      picture.token,
      picture.jobId,
      picture.position,
      picture.model,
      picture.prompt,
      picture.requestedSize,
      picture.quality,
      picture.sourceTokens ?? [],
      picture.condition,
      picture.asked ?? null,
      picture.returned ?? {},
      picture.revisedPrompt ?? '',
    ],
  )
  return changed === 1
}

/** Whether the same bytes are shown already: of the user `$1` under the token `$2`. Uploads are apart. */
function hasOlder(origin: Picture['origin']): string {
  const isUpload = `(origin = 'uploaded') = ${origin === 'uploaded'}`
  return `exists (select from pictures where user_id = $1 and token = $2 and deleted_at is null and ${isUpload})`
}

/**
 * The picture that was pasted together from `result` and its original: this new one, or the one there is, out of the
 * trash again. What it shows was asked for by the result's prompt.
 */
export async function upsertComposed(db: Db, result: Picture, token: string, original: string): Promise<string> {
  const { id } = await db.one(
    z.object({ id: z.string() }),
    `insert into pictures (user_id, token, origin, model, prompt, requested_size, quality, source_tokens, composed_from,
       width, height, bytes, is_copy)
     select $1, $2, 'composed', $3, $4, $5, $6, $7, $8, width, height, bytes, ${hasOlder('composed')}
     from files where token = $2
     on conflict (composed_from) where composed_from is not null do update set deleted_at = null returning id`,
    [
      result.userId,
      token,
      result.model,
      result.prompt,
      result.requestedSize,
      result.quality,
      [original, result.token],
      result.id,
    ],
  )
  return id
}

/** As `upsertComposed`, without making one. */
export async function restoreComposed(db: Db, result: Picture): Promise<string | null> {
  const row = await db.maybeOne(
    z.object({ id: z.string() }),
    `update pictures set deleted_at = null where composed_from = $1 and user_id = $2 returning id`,
    [result.id, result.userId],
  )
  return row?.id ?? null
}

/**
 * Files what was made of `source` by arithmetic, beside it: with its prompt, folder and tags. The same again is the picture there is,
 * out of the trash. What is made for a model to start from is among the uploads. In a transaction that lets nobody else file for this person meanwhile.
 */
export async function upsertDerived(tx: Db, source: Picture, token: string, derived: Derived): Promise<string> {
  const origin = isForModel(derived) ? 'uploaded' : 'composed'
  const { id } = await tx.one(
    z.object({ id: z.string() }),
    `with known as (
       update pictures set deleted_at = null where user_id = $1 and token = $2 and derived = $4 and source_tokens = array[$5]
       returning id),
     added as (
       insert into pictures (user_id, token, origin, model, prompt, requested_size, quality, source_tokens, derived, folder_id, tags,
         width, height, bytes, is_copy)
       select $1, $2, $6, '', prompt, '', '', array[$5], $4, folder_id, tags, f.width, f.height, f.bytes, ${hasOlder(origin)}
       from pictures p, files f where p.id = $3 and f.token = $2 and not exists (select from known) returning id)
     select id from known union all select id from added limit 1`,
    [source.userId, token, source.id, derived, source.token, origin],
  )
  return id
}

/** What the gateway said of a picture after it was filed. */
export async function setReturned(
  db: Db,
  { userId, jobId, position }: { userId: number; jobId: string; position: number },
  { returned, revisedPrompt }: { returned: Returned; revisedPrompt: string },
): Promise<void> {
  await db.run(
    `update pictures set returned = $4, revised_prompt = $5 where job_id = $2 and position = $3 and user_id = $1`,
    [userId, jobId, position, returned, revisedPrompt],
  )
}

/** Each picture that came of a job bears its share of what the call was charged; null: not known yet. */
export async function shareCost(db: Db, userId: number, jobId: string, usd: number | null): Promise<void> {
  await db.run(
    `with came as (select id from pictures where job_id = $2 and user_id = $1 and condition in ('whole', 'incomplete'))
     update pictures set cost = coalesce($3::float8 / (select count(*) from came), cost) where id in (select id from came)`,
    [userId, jobId, usd],
  )
}

/** `share`: 0 to 1. */
export async function setChangedOutside(db: Db, userId: number, id: string, share: number): Promise<void> {
  await db.run(`update pictures set changed_outside = $3 where id = $1 and user_id = $2`, [id, userId, share])
}

/** Pictures whose bytes have this token, newest first. */
export function listPicturesOfFile(db: Db, userId: number, token: string): Promise<Picture[]> {
  return db.many(
    Picture,
    `select ${columns} from ${pictures}
     where p.token = $2 and p.user_id = $1 order by p.deleted_at is not null, p.created_at desc limit 10`,
    [userId, token],
  )
}

/** A file that is used becomes a picture of the library, unless it is one already. */
export async function ensureUploadedPicture(db: Db, userId: number, token: string): Promise<void> {
  await db.run(
    `insert into pictures (user_id, token, origin, model, prompt, requested_size, quality, width, height, bytes)
     select user_id, token, 'uploaded', '', '', '', '', width, height, bytes from files
     where user_id = $1 and token = $2 and not exists (select from pictures where user_id = $1 and token = $2)`,
    [userId, token],
  )
}

export function findPicture(db: Db, userId: number, id: string): Promise<Picture | null> {
  return db.maybeOne(Picture, `select ${columns} from ${pictures} where p.id = $1 and p.user_id = $2`, [id, userId])
}

/** Of these, those that are theirs and not in the trash, the oldest first. */
export function listPicturesById(db: Db, userId: number, ids: readonly string[]): Promise<Picture[]> {
  return db.many(
    Picture,
    `select ${columns} from ${pictures}
     where p.user_id = $1 and p.id = any($2) and p.deleted_at is null order by p.created_at, p.id`,
    [userId, ids],
  )
}

// What somebody may show to others.
const isShowable = `p.deleted_at is null and p.condition = 'whole' and f.format <> 'bin'`

/** Of these, those that are theirs and may be shown: not in the trash, whole. The oldest first. */
export function listShowable(db: Db, userId: number, ids: readonly string[]): Promise<Picture[]> {
  return db.many(
    Picture,
    `select ${columns} from ${pictures} where p.user_id = $1 and p.id = any($2::uuid[]) and ${isShowable} order by p.created_at, p.id`,
    [userId, ids],
  )
}

const Outline = z.object({
  /** The oldest first. */
  ids: z.array(z.string()),
  /** How many have one. */
  prompts: z.number(),
  settings: z.array(z.object({ model: z.string(), size: z.string(), quality: z.string() })),
})

/** What `listShowable` would list, however many they are, and what could be told of them. */
export function outlineShowable(db: Db, userId: number, ids: readonly string[]): Promise<z.output<typeof Outline>> {
  return db.one(
    Outline,
    `select coalesce(array_agg(p.id order by p.created_at, p.id), '{}') as ids, count(*) filter (where p.prompt <> '') as prompts,
       coalesce(jsonb_agg(distinct jsonb_build_object('model', p.model, 'size', p.requested_size, 'quality', p.quality))
         filter (where p.model <> ''), '[]') as settings
     from ${pictures} where p.user_id = $1 and p.id = any($2::uuid[]) and ${isShowable}`,
    [userId, ids],
  )
}

/** None of them goes to the trash before the end of the transaction. */
export async function holdPictures(tx: Db, userId: number, ids: readonly string[]): Promise<void> {
  await tx.run(`select from pictures where user_id = $1 and id = any($2::uuid[]) order by id for share`, [userId, ids])
}

/** Whether it is one of the pictures that were asked for, be it in part. */
export function hasArrived({ condition }: Pick<Picture, 'condition'>): boolean {
  return condition === 'whole' || condition === 'incomplete'
}

/** Those in the trash included, by job and position. */
export function listPicturesOfJobs(db: Db, userId: number, jobIds: readonly string[]): Promise<Picture[]> {
  return db.many(
    Picture,
    `select ${columns} from ${pictures}
     where p.job_id = any($2) and p.user_id = $1 order by p.job_id, p.position`,
    [userId, jobIds],
  )
}

/** Where a page of a list ends: the next one begins behind it. */
export interface Cursor {
  at: Date
  id: string
}
const beginning: Cursor = { at: new Date('9999-01-01'), id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' }

export function listDeleted(
  db: Db,
  userId: number,
  options: { before: Cursor | null; limit: number },
): Promise<Picture[]> {
  const { at, id } = options.before ?? beginning
  return db.many(
    Picture,
    `select ${columns} from ${pictures}
     where p.user_id = $1 and p.deleted_at is not null and (p.deleted_at, p.id) < ($2, $3)
     order by p.deleted_at desc, p.id desc limit $4`,
    [userId, at, id, options.limit],
  )
}

/** Which of a job's pictures came and were filed, deleted ones included: no previews, and nothing that cannot be shown. */
export async function listPositions(db: Db, userId: number, jobId: string): Promise<number[]> {
  const rows = await db.many(
    z.object({ position: z.number() }),
    `select position from pictures where job_id = $2 and user_id = $1 and condition in ('whole', 'incomplete')`,
    [userId, jobId],
  )
  return rows.map(row => row.position)
}
