import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { type Filter, type Sort, wordsOf } from './filter.ts'

const Tile = z.object({
  id: z.string(),
  token: z.string(),
  width: z.number(),
  height: z.number(),
  format: z.string(),
  hasAlpha: z.boolean(),
  color: z.string(),
  condition: z.enum(['whole', 'preview', 'incomplete', 'undecodable']),
  favourite: z.boolean(),
  prompt: z.string(),
  createdAt: z.date(),
  at: z.union([z.date(), z.number()]),
})
/** A picture as the list shows it: `prompt` is its beginning, `at` what it is sorted by. */
export type Tile = z.output<typeof Tile>

/** Where a list goes on. */
export interface Place {
  /** Milliseconds, bytes or millionths of a dollar. */
  at: number
  id: string
}

/** The one condition of list, count, dates, neighbours and whatever is done with all that matches. */
export interface Matching {
  where: string
  /** Of it, what an index has in the order of time. */
  listed: string
  /** And the words that are searched for; null without any. */
  words: string | null
  values: readonly unknown[]
}

const Word = z.object({ word: z.string(), tags: z.array(z.string()), folders: z.array(z.string()) })

/** `timeZone`: of the viewer, whose days the filter speaks of. */
export async function matching(db: Db, userId: number, filter: Filter, timeZone: string): Promise<Matching> {
  const values: unknown[] = [userId]
  const put = (value: unknown) => `$${values.push(value)}`
  const conditions = ['p.user_id = $1 and p.deleted_at is null and not p.is_copy', ...kindOf(filter)]
  if (filter.tags.length > 0) conditions.push(`p.tag_hashes @> tag_hashes(${put(filter.tags)}::text[])`)
  if (filter.folder === 'none') conditions.push('p.folder_id is null')
  else if (filter.folder) conditions.push(`p.folder_id = ${put(filter.folder)}`)
  if (filter.favourite) conditions.push('p.favourite')
  if (filter.model) conditions.push(`p.model = ${put(filter.model)}`)
  if (filter.quality) conditions.push(`p.quality = ${put(filter.quality)}`)
  if (filter.size) conditions.push(`p.width = ${put(filter.size.width)} and p.height = ${put(filter.size.height)}`)
  if (filter.costFrom !== null) conditions.push(`p.cost >= ${put(filter.costFrom)}`)
  if (filter.costUntil !== null) conditions.push(`p.cost <= ${put(filter.costUntil)}`)
  const midnight = (day: string, after: number) =>
    `(${put(day)}::date + ${after})::timestamp at time zone ${put(zoneInSql(timeZone))}`
  if (filter.from) conditions.push(`p.created_at >= ${midnight(filter.from, 0)}`)
  if (filter.until) conditions.push(`p.created_at < ${midnight(filter.until, 1)}`)
  const listed = conditions.join(' and ')
  const words = (await readWords(db, userId, wordsOf(filter))).map(({ word, tags, folders }) => {
    const places = [`p.search like search_pattern(${put(word)})`]
    if (tags.length > 0) places.push(`p.tag_hashes && tag_hashes(${put(tags)}::text[])`)
    if (folders.length > 0) places.push(`p.folder_id = any(${put(folders)}::uuid[])`)
    return `(${places.join(' or ')})`
  })
  return {
    where: [listed, ...words].join(' and '),
    listed,
    words: words.length > 0 ? words.join(' and ') : null,
    values,
  }
}

function kindOf({ kind }: Filter): string[] {
  if (kind === 'all') return []
  return [kind === 'pictures' ? `p.origin <> 'uploaded'` : `p.origin = '${kind}'`]
}

/** Postgres reads a bare offset the other way round. */
function zoneInSql(timeZone: string): string {
  return timeZone.replace(/^[+-]/, sign => (sign === '+' ? '-' : '+'))
}

/** With the tags and folders that have it in their name. */
function readWords(db: Db, userId: number, words: readonly string[]) {
  if (words.length === 0) return []
  return db.many(
    Word,
    `select word,
       array(select key from tags where user_id = $1 and search_text(name) like search_pattern(word)) as tags,
       array(select id from folders where user_id = $1 and query is null and search_text(name) like search_pattern(word)) as folders
     from unnest($2::text[]) as word where search_text(word) <> ''`,
    [userId, words],
  )
}

const orders = {
  newest: { by: 'p.created_at', falls: true },
  oldest: { by: 'p.created_at', falls: false },
  largest: { by: 'p.bytes', falls: true },
  costliest: { by: 'coalesce(round(p.cost * 1000000)::bigint, -1)', falls: true },
} satisfies Record<Sort, { by: string; falls: boolean }>

/** Of which the first are looked through for words that are in many of them; the rarer ones are found by their index. */
const NEAR = 1000

/**
 * Pictures behind `place`, or, `back`, those before it, which then are its last `limit` ones; with itself if it is `within`. In
 * the order of the list.
 */
export async function listTiles(
  db: Db,
  match: Matching,
  {
    sort,
    place,
    back = false,
    within = false,
    limit,
  }: {
    sort: Sort
    place: Place | null
    back?: boolean
    within?: boolean
    limit: number
  },
): Promise<Tile[]> {
  const { by, falls } = orders[sort]
  const values = [...match.values]
  const put = (value: unknown) => `$${values.push(value)}`
  const order = falls === back ? 'asc' : 'desc'
  const isBehind = `${order === 'desc' ? '<' : '>'}${within ? '=' : ''}`
  const at = place && (by === 'p.created_at' ? put(new Date(place.at)) : put(place.at))
  const begins = (key: string, id: string) =>
    place ? ` and (${key}, ${id}) ${isBehind} (${at}, ${put(place.id)})` : ''
  const sorted = (at: string, id: string) => `order by ${at} ${order}, ${id} ${order} limit`
  const show = async (page: string) => {
    const rows = await db.many(
      Tile,
      `${page} select p.id, p.token, p.width, p.height, f.format, f.has_alpha, f.color, p.condition, p.favourite,
         left(p.prompt, 200) as prompt, p.created_at, page.at
       from page join pictures p on p.id = page.id join files f on f.token = p.token
       order by page.at ${order}, page.id ${order}`,
      values,
    )
    return back ? rows.toReversed() : rows
  }
  // A condition on the columns of an index, wherever it is written.
  const behind = begins(by, 'p.id')
  const most = put(limit)
  const { where, listed, words } = match
  if (!words) {
    return show(
      `with page as (select p.id, ${by} as at from pictures p where ${listed}${behind} ${sorted(by, 'p.id')} ${most})`,
    )
  }
  if (by === 'p.created_at') {
    const near = await show(
      `with p as (
         select p.id, p.created_at, p.search, p.tag_hashes, p.folder_id from pictures p
         where ${listed}${behind} ${sorted('p.created_at', 'p.id')} ${NEAR}),
       page as (select p.id, p.created_at as at from p where ${words} ${sorted('p.created_at', 'p.id')} ${most})`,
    )
    if (near.length === limit) return near
  }
  // Matched first and sorted then: the other way round a word that is nowhere is looked for in all of them.
  return show(
    `with found as materialized (select p.id, ${by} as at from pictures p where ${where}${behind}),
       page as (select * from found ${sorted('at', 'id')} ${most})`,
  )
}

export function placeOf({ at, id }: Pick<Tile, 'at' | 'id'>): Place {
  return { at: Number(at), id }
}

const Month = z.object({ month: z.string(), count: z.number() })
export type Month = z.output<typeof Month>

/** How many match in each month, `2026-11`, the newest first; a month without any is left out. */
export function listMonths(db: Db, match: Matching, timeZone: string): Promise<Month[]> {
  const zone = `$${match.values.length + 1}`
  return db.many(
    Month,
    // A picture is looked up between the beginnings of months: to ask each for its date in a zone would take most of the time.
    `with ends as (
       select greatest(min(created_at), '1900-01-02') as first, least(max(created_at), '2100-01-01') as last
       from pictures p where p.user_id = $1 and p.deleted_at is null and not p.is_copy),
     months as materialized (
       select array_agg(month order by month) as firsts, array_agg(month::timestamp at time zone ${zone} order by month) as begins
       from (select month::date from ends,
               generate_series(date_trunc('month', first - interval '1 day', 'UTC') at time zone 'UTC',
                 last at time zone 'UTC' + interval '1 day', interval '1 month') as month) all_months)
     select to_char((select firsts from months)[bucket], 'YYYY-MM') as month, count
     from (select greatest(1, width_bucket(p.created_at, (select begins from months))) as bucket, count(*) as count from pictures p
           where ${match.where} group by 1) counted
     order by bucket desc`,
    [...match.values, zoneInSql(timeZone)],
  )
}

/** The first moment after the month `2026-11`. */
export async function endOfMonth(db: Db, month: string, timeZone: string): Promise<Date> {
  const { at } = await db.one(
    z.object({ at: z.date() }),
    `select ($1::date + interval '1 month')::timestamp at time zone $2 as at`,
    [`${month}-01`, zoneInSql(timeZone)],
  )
  return at
}

const Facet = z.object({ facet: z.string(), value: z.string(), count: z.number() })
export type Facet = z.output<typeof Facet>

/** What there is to choose from among what matches, the most frequent first. */
export function listFacets(db: Db, match: Matching): Promise<Facet[]> {
  return db.many(
    Facet,
    // Most pictures are alike in all of it: they are counted once, and as one from then on.
    `with found as materialized (
       select p.model, p.quality, p.width, p.height, p.origin, p.folder_id, p.tag_hashes, count(*) as count
       from pictures p where ${match.where} group by 1, 2, 3, 4, 5, 6, 7),
     counted as (
       select grouping(model, quality, width, origin, folder_id) as bits, model, quality, width, height, origin, folder_id,
         sum(count)::bigint as count
       from found group by grouping sets ((model), (quality), (width, height), (origin), (folder_id)))
     select * from (
       select case bits when 15 then 'model' when 23 then 'quality' when 27 then 'size' when 29 then 'kind' else 'folder' end
           as facet,
         coalesce(case bits when 15 then model when 23 then quality when 27 then width || 'x' || height when 29 then origin
           else folder_id::text end, '') as value, count
       from counted
       union all
       select 'tag', t.key, hashed.count
       from (select hash, sum(count)::bigint as count from found, unnest(tag_hashes) as hash group by hash) hashed
       join tags t on t.user_id = $1 and tag_hash(t.key) = hashed.hash) facets
     where value <> '' order by facet, count desc, value`,
    match.values,
  )
}

/** Ids of the pictures just before and after this one in the list; it need not be in it any more. */
export async function findNeighbours(
  db: Db,
  match: Matching,
  sort: Sort,
  picture: { id: string; createdAt: Date; bytes: number; cost: number | null },
): Promise<{ before: string | null; after: string | null }> {
  const at = {
    newest: picture.createdAt.getTime(),
    oldest: picture.createdAt.getTime(),
    largest: picture.bytes,
    costliest: picture.cost === null ? -1 : Math.round(picture.cost * 1e6),
  }[sort]
  const place = { at, id: picture.id }
  const [[before], [after]] = await Promise.all([
    listTiles(db, match, { sort, place, back: true, limit: 1 }),
    listTiles(db, match, { sort, place, limit: 1 }),
  ])
  return { before: before?.id ?? null, after: after?.id ?? null }
}
