import { z } from 'zod'
import type { Db } from '../db/db.ts'

/** What was asked for, as the author lets it be seen. */
export const Settings = z.object({ model: z.string(), size: z.string(), quality: z.string() })

const Exhibit = z.object({
  id: z.string(),
  userId: z.number(),
  pictureId: z.string(),
  token: z.string(),
  /** Of its bytes. */
  sha256: z.instanceof(Buffer),
  isListed: z.boolean(),
  prompt: z.string().nullable(),
  settings: Settings.nullable(),
  width: z.number(),
  height: z.number(),
  hasAlpha: z.boolean(),
  color: z.string(),
  likes: z.number(),
  createdAt: z.date(),
  expiresAt: z.date().nullable(),
  hiddenBecause: z.string().nullable(),
})
export type Exhibit = z.output<typeof Exhibit>

const Shown = Exhibit.extend({
  /** The author, as others know them. */
  authorId: z.string(),
  authorName: z.string(),
  /** Whether who looks likes it. */
  liked: z.boolean(),
})
/** An exhibit as somebody sees it. */
export type Shown = z.output<typeof Shown>

const shown = (viewer: string) => `e.*, x.id as author_id, x.name as author_name,
  exists (select from likes l where l.exhibit_id = e.id and l.user_id = ${viewer}) as liked`

const Exhibitor = z.object({
  userId: z.number(),
  id: z.string(),
  name: z.string(),
  licence: z.string().nullable(),
})
export type Exhibitor = z.output<typeof Exhibitor>

/** How somebody is seen who shows something; null for who never has. */
export function findExhibitor(db: Db, userId: number): Promise<Exhibitor | null> {
  return db.maybeOne(Exhibitor, `select * from exhibitors where user_id = $1`, [userId])
}

export function findExhibitorById(db: Db, id: string): Promise<Exhibitor | null> {
  return db.maybeOne(Exhibitor, `select * from exhibitors where id = $1`, [id])
}

/** `licence`: the sentence that they agree to now; null leaves what they agreed to before. */
export async function upsertExhibitor(tx: Db, userId: number, name: string, licence: string | null): Promise<void> {
  await tx.run(
    `insert into exhibitors as x (user_id, name, licence, agreed_at) values ($1, $2, $3, now())
     on conflict (user_id) do update set name = $2, licence = coalesce($3, x.licence),
       agreed_at = case when $3::text is null then x.agreed_at else now() end`,
    [userId, name, licence],
  )
}

export type NewExhibit = Pick<
  Exhibit,
  | 'userId'
  | 'pictureId'
  | 'token'
  | 'sha256'
  | 'isListed'
  | 'prompt'
  | 'settings'
  | 'width'
  | 'height'
  | 'hasAlpha'
  | 'color'
> & {
  days: number | null
  /** The checksum without what its file carries beside the picture; null: not known yet. */
  bare: Buffer | null
}

const Before = z.object({ prompt: z.string().nullable(), settings: Settings.nullable() })
const Hung = z.object({ id: z.string(), pictureId: z.string(), before: Before.nullable() })
/** An exhibit, and what it showed where the picture hung already. */
export type Hung = z.output<typeof Hung>

/**
 * A picture hangs in the gallery once: shared again, it shows what is asked for now. A link is a new one each time. The last of them
 * is the newest.
 */
export function insertExhibits(tx: Db, exhibits: readonly NewExhibit[]): Promise<Hung[]> {
  const rows = exhibits.map((each, place) => ({
    ...each,
    sha256: each.sha256.toString('hex'),
    bare: each.bare?.toString('hex') ?? null,
    ago: exhibits.length - 1 - place,
  }))
  return tx.many(
    Hung,
    `with wanted as (
       select * from jsonb_to_recordset($1::jsonb) as w ("userId" bigint, "pictureId" uuid, token text, "isListed" boolean,
         prompt text, settings jsonb, width integer, height integer, "hasAlpha" boolean, color text, days integer, sha256 text,
         bare text, ago integer)),
     hung as (
       insert into exhibits (user_id, picture_id, token, is_listed, prompt, settings, width, height, has_alpha, color, created_at,
         expires_at, sha256, bare_sha256)
       select "userId", "pictureId", token, "isListed", prompt, nullif(settings, 'null'), width, height, "hasAlpha", color,
         clock_timestamp() - make_interval(secs => ago / 1000.0), clock_timestamp() + make_interval(days => days),
         decode(sha256, 'hex'), decode(bare, 'hex')
       from wanted
       on conflict (picture_id) where is_listed do update set prompt = excluded.prompt, settings = excluded.settings
       returning id, picture_id, is_listed)
     select h.id, h.picture_id,
       (select jsonb_build_object('prompt', e.prompt, 'settings', e.settings) from exhibits e
        where e.picture_id = h.picture_id and e.is_listed and h.is_listed) as before
     from hung h`,
    [JSON.stringify(rows)],
  )
}

/** What can be seen by whoever has its address. */
export function findShown(db: Db, id: string, viewerId: number | null): Promise<Shown | null> {
  return db.maybeOne(
    Shown,
    `select ${shown('$2')} from exhibits e join exhibitors x using (user_id)
     where e.id = $1 and (e.expires_at is null or e.expires_at > now())`,
    [id, viewerId],
  )
}

export interface Wanted {
  sort: 'newest' | 'liked' | 'month'
  words: readonly string[]
  /** Of this author only. */
  by: number | null
  viewerId: number | null
  before: Place | null
  /** Down to here, and no further. */
  through?: Place | null
  limit: number
}

/** Where a list goes on: milliseconds, or a number of likes, and the exhibit there. */
export interface Place {
  at: number
  id: string
}

const Listed = Shown.extend({ at: z.union([z.date(), z.number()]) })
export type Listed = z.output<typeof Listed>

/** Of which the first are looked through for words that are in many of them; the rarer ones are found by their index. */
const NEAR = 4000

/** A page of the gallery; `at` is what it is sorted by. */
export async function listShown(db: Db, wanted: Wanted): Promise<Listed[]> {
  const values: unknown[] = [wanted.viewerId]
  const put = (value: unknown) => `$${values.push(value)}`
  const { join, at } = sorts[wanted.sort]
  const hangs = 'e.is_listed and e.hidden_because is null'
  const conditions = [hangs]
  if (wanted.sort === 'month')
    conditions.push(`m.month = date_trunc('month', now() at time zone 'utc') and m.likes > 0`)
  if (wanted.by !== null) conditions.push(`e.user_id = ${put(wanted.by)}`)
  else if (wanted.viewerId !== null) {
    conditions.push('not exists (select from gallery_blocks b where b.user_id = $1 and b.blocked_id = e.user_id)')
  }
  const placed = (is: '<' | '>=', place: Place) => {
    const key = put(wanted.sort === 'newest' ? new Date(place.at) : place.at)
    conditions.push(`(${at}, e.id) ${is} (${key}, ${put(place.id)}::uuid)`)
  }
  if (wanted.before) placed('<', wanted.before)
  if (wanted.through) placed('>=', wanted.through)
  const limit = put(wanted.limit)
  const patterns = wanted.words.map(word => `search_pattern(${put(word)})`)
  const [first, ...others] = patterns
  const names = (pattern: string) =>
    `(e.search like ${pattern}
      or e.user_id = any(array(select user_id from exhibitors where search_text(name) like ${pattern})))`
  const some = (columns: string, table: string, where: readonly string[]) =>
    `select ${columns}, ${at} as at from ${table} e ${join} where ${where.join(' and ')}`
  const show = (page: string) =>
    db.many(
      Listed,
      `${page} select ${shown('$1')}, page.at from page join exhibits e using (id) join exhibitors x using (user_id)
       order by page.at desc, page.id desc`,
      values,
    )

  const sorted = `order by ${at} desc, e.id desc limit`
  if (!first) return show(`with page as (${some('e.id', 'exhibits', conditions)} ${sorted} ${limit})`)
  const near = await show(
    `with near as (${some('e.id, e.search, e.user_id', 'exhibits', conditions)} ${sorted} ${NEAR}),
       page as (
         select e.id, e.at from near e where ${patterns.map(names).join(' and ')}
         order by e.at desc, e.id desc limit ${limit})`,
  )
  if (near.length === wanted.limit) return near
  // Matched first and sorted then: the other way round a word that is nowhere is looked for in all of them.
  const columns = 'e.id, e.user_id, e.search, e.created_at, e.likes, e.is_listed, e.hidden_because'
  return show(
    `with named as materialized (
       select ${columns} from exhibits e where ${hangs} and e.search like ${first}
       union
       select ${columns} from exhibitors a join exhibits e using (user_id)
       where ${hangs} and search_text(a.name) like ${first}),
     page as (${some('e.id', 'named', [...conditions, ...others.map(names)])} ${sorted} ${limit})`,
  )
}

const sorts = {
  newest: { join: '', at: 'e.created_at' },
  liked: { join: '', at: 'e.likes' },
  month: { join: 'join likes_of_month m on m.exhibit_id = e.id', at: 'm.likes' },
}

/** All that is public of somebody, newest first: in the gallery, by link, and what was hidden. */
export function listOwn(db: Db, userId: number, options: { before: Place | null; limit: number }): Promise<Shown[]> {
  return db.many(
    Shown,
    `select ${shown('$1')} from exhibits e join exhibitors x using (user_id)
     where e.user_id = $1 and (e.expires_at is null or e.expires_at > now())
       and ($2::timestamptz is null or (e.created_at, e.id) < ($2, $3::uuid))
     order by e.created_at desc, e.id desc limit $4`,
    [userId, options.before && new Date(options.before.at), options.before?.id ?? null, options.limit],
  )
}

/** How many of these pictures hang in the gallery already. */
export async function countListed(db: Db, userId: number, pictureIds: readonly string[]): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) as count from exhibits where user_id = $1 and picture_id = any($2::uuid[]) and is_listed`,
    [userId, pictureIds],
  )
  return count
}

/** False when there was nothing of theirs by this id. */
export async function deleteExhibit(db: Db, userId: number, id: string): Promise<boolean> {
  return (await db.run(`delete from exhibits where id = $1 and user_id = $2`, [id, userId])) === 1
}

export function deleteExpired(db: Db): Promise<number> {
  return db.run(`delete from exhibits where expires_at < now()`)
}

/** Safe to repeat. The database counts. */
export async function setLiked(db: Db, exhibit: Exhibit, userId: number, liked: boolean): Promise<void> {
  await db.run(
    liked
      ? `insert into likes (exhibit_id, user_id) values ($1, $2) on conflict do nothing`
      : `delete from likes where exhibit_id = $1 and user_id = $2`,
    [exhibit.id, userId],
  )
}
