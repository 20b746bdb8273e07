import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Matching } from './list-queries.ts'
import { MOST_TAGS } from './names.ts'

/** What is done with pictures; `folderId` null: out of their folder. Tags are keys. */
export type Change =
  | { did: 'favourite' | 'unfavourite' | 'delete' | 'restore' }
  | { did: 'move'; folderId: string | null }
  | { did: 'tag' | 'untag'; tags: readonly string[] }
  | { did: 'describe'; folderId: string | null; tags: readonly string[] }

export const deeds = ['favourite', 'unfavourite', 'delete', 'restore', 'move', 'tag', 'untag', 'describe'] as const

const Id = z.object({ id: z.string() })

export async function insertChange(db: Db, userId: number, did: Change['did']): Promise<string> {
  const { id } = await db.one(Id, `insert into library_changes (user_id, did) values ($1, $2) returning id`, [
    userId,
    did,
  ])
  return id
}

/**
 * Adds this person's pictures among `ids`, as they are now, to what the change is about, with all others that show the same
 * bytes: they go together. Answers how many of them a list shows.
 */
export async function insertChanged(db: Db, userId: number, changeId: string, ids: readonly string[]): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `with added as (
       insert into library_changed (change_id, picture_id, favourite, folder_id, tags, deleted_at)
       select distinct $2::uuid, q.id, q.favourite, q.folder_id, q.tags, q.deleted_at
       from pictures p join pictures q
         on q.token = p.token and q.user_id = p.user_id and (q.origin = 'uploaded') = (p.origin = 'uploaded')
       where p.id = any($3::uuid[]) and p.user_id = $1
       on conflict do nothing returning picture_id)
     select count(distinct (token, origin = 'uploaded')) as count from added join pictures on id = picture_id`,
    [userId, changeId, ids],
  )
  return count
}

// The lock keeps what was remembered true until it is changed.
export async function lockPictures(db: Db, userId: number, ids: readonly string[]): Promise<void> {
  await db.run(
    `select from pictures where user_id = $1 and token in (select token from pictures where id = any($2::uuid[]) and user_id = $1)
     order by id for update`,
    [userId, ids],
  )
}

/** How many of them would have more tags than a picture may have. */
export async function countOverTagged(db: Db, changeId: string, tags: readonly string[]): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(*) as count from library_changed
     where change_id = $1 and cardinality(array(select unnest(tags) union select unnest($2::text[]))) > ${MOST_TAGS}`,
    [changeId, tags],
  )
  return count
}

// Of one statement: a page waits for each of them only so long.
const AT_ONCE = 2000

/** Ids of the pictures that a change is about, part by part. */
async function* partsOf(db: Db, changeId: string): AsyncGenerator<string[]> {
  for (let last: string | null = null; ; ) {
    const rows: { id: string }[] = await db.many(
      Id,
      `select picture_id as id from library_changed where change_id = $1 and ($2::uuid is null or picture_id > $2)
       order by picture_id limit ${AT_ONCE}`,
      [changeId, last],
    )
    if (rows.length === 0) return
    yield rows.map(({ id }) => id)
    last = rows.at(-1)!.id
  }
}

export async function applyChange(db: Db, userId: number, changeId: string, change: Change): Promise<void> {
  for await (const ids of partsOf(db, changeId)) await applyTo(db, userId, ids, change)
  if (change.did === 'restore') await showOldest(db, userId, changeId)
}

async function applyTo(db: Db, userId: number, ids: readonly string[], change: Change): Promise<void> {
  const values: unknown[] = [ids, userId]
  const put = (value: unknown) => `$${values.push(value)}`
  const folder = () => 'folderId' in change && `folder_id = ${put(change.folderId)}`
  const tags = () => ('tags' in change ? put(change.tags) : '')
  const set = {
    favourite: () => 'favourite = true',
    unfavourite: () => 'favourite = false',
    delete: () => 'deleted_at = coalesce(p.deleted_at, now())',
    restore: () => 'deleted_at = null',
    move: folder,
    tag: () => `tags = p.tags || array(select t from unnest(${tags()}::text[]) as t where t <> all (p.tags))`,
    untag: () => `tags = array(select t from unnest(p.tags) as t where t <> all (${tags()}::text[]))`,
    describe: () => `${folder()}, tags = ${tags()}::text[]`,
  }[change.did]
  await db.run(`update pictures p set ${set()} where p.id = any($1::uuid[]) and p.user_id = $2`, values)
}

/** Of the same bytes the oldest row is shown that is not in the trash. */
async function showOldest(db: Db, userId: number, changeId: string): Promise<void> {
  for await (const ids of partsOf(db, changeId)) await showOldestOf(db, userId, ids)
}

async function showOldestOf(db: Db, userId: number, ids: readonly string[]): Promise<void> {
  await db.run(
    `update pictures p set is_copy = numbered.number > 1
     from (select id, row_number() over (partition by token, origin = 'uploaded' order by created_at, id) as number
           from pictures
           where user_id = $1 and deleted_at is null
             and token in (select token from pictures where id = any($2::uuid[]))) numbered
     where numbered.id = p.id and p.is_copy <> (numbered.number > 1)`,
    [userId, ids],
  )
}

const Changed = z.object({ id: z.string(), did: z.enum(deeds), count: z.number() })
export type Changed = z.output<typeof Changed>

export function findChange(db: Db, userId: number, id: string): Promise<Changed | null> {
  return db.maybeOne(
    Changed,
    `select id, did, (select count(*) from library_changed join pictures p on p.id = picture_id
        where change_id = library_changes.id and not p.is_copy) as count
     from library_changes where id = $1 and user_id = $2`,
    [id, userId],
  )
}

/** Puts back what the change changed, and forgets it: a second time there is nothing to undo. False then. */
export async function undoChange(db: Db, userId: number, changeId: string): Promise<boolean> {
  const change = await db.maybeOne(
    z.object({ did: z.enum(deeds) }),
    `select did from library_changes where id = $1 and user_id = $2 for update`,
    [changeId, userId],
  )
  if (!change) return false
  // A folder that is gone meanwhile takes nothing back.
  const folder = `folder_id = (select id from folders where folders.id = c.folder_id)`
  const set = {
    favourite: 'favourite = c.favourite',
    unfavourite: 'favourite = c.favourite',
    delete: 'deleted_at = c.deleted_at',
    restore: 'deleted_at = c.deleted_at',
    move: folder,
    tag: 'tags = c.tags',
    untag: 'tags = c.tags',
    describe: `${folder}, tags = c.tags`,
  }[change.did]
  for await (const ids of partsOf(db, changeId)) {
    await db.run(
      `update pictures p set ${set} from library_changed c
       where c.change_id = $1 and c.picture_id = any($3::uuid[]) and c.picture_id = p.id and p.user_id = $2`,
      [changeId, userId, ids],
    )
  }
  if (change.did === 'delete') await showOldest(db, userId, changeId)
  await db.run(`delete from library_changes where id = $1 and user_id = $2`, [changeId, userId])
  return true
}

/** All that matches and was there at `until`. */
export async function listMatching(db: Db, match: Matching, until: Date): Promise<string[]> {
  const rows = await db.many(
    Id,
    `select p.id from pictures p where ${match.where} and p.created_at <= $${match.values.length + 1}`,
    [...match.values, until],
  )
  return rows.map(({ id }) => id)
}

/** What can no longer be undone. */
export function deleteOldChanges(db: Db): Promise<number> {
  return db.run(`delete from library_changes where made_at < now() - interval '1 day'`)
}
