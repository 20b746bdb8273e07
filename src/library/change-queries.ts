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
  /** What lies in the folder `from` lies in the other then, or in none, and `from` is no more. */
  | { did: 'merge' | 'dissolve'; folderId: string | null; from: string }
  /** Out of the trash for good: the one that cannot be undone. */
  | { did: 'empty' }

export const deeds = [
  'favourite',
  'unfavourite',
  'delete',
  'restore',
  'move',
  'tag',
  'untag',
  'describe',
  'merge',
  'dissolve',
  'empty',
] as const

const Id = z.object({ id: z.string() })

export async function insertChange(db: Db, userId: number, change: Change): Promise<string> {
  const folder = 'folderId' in change ? change.folderId : null
  const tags = 'tags' in change ? change.tags : null
  const { id } = await db.one(
    Id,
    `insert into library_changes (user_id, did, folder_id, tags, ended_folder)
     values ($1, $2, $3, $4, (select to_jsonb(f) from folders f where f.id = $5 and f.user_id = $1)) returning id`,
    [userId, change.did, folder, tags, 'from' in change ? change.from : null],
  )
  return id
}

/** How many pictures of a list it was about. */
export async function setCount(db: Db, id: string, count: number): Promise<void> {
  await db.run(`update library_changes set count = $2 where id = $1`, [id, count])
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

/** Ids of the pictures that a change is about. */
async function listChanged(db: Db, changeId: string): Promise<string[]> {
  const rows = await db.many(Id, `select picture_id as id from library_changed where change_id = $1`, [changeId])
  return rows.map(({ id }) => id)
}

export async function applyChange(db: Db, userId: number, changeId: string, change: Change): Promise<void> {
  const ids = await listChanged(db, changeId)
  await applyTo(db, userId, changeId, ids, change)
  if ('from' in change) await endFolder(db, userId, change)
}

/** To these of its pictures. */
export async function applyTo(
  db: Db,
  userId: number,
  changeId: string,
  ids: readonly string[],
  change: Change,
): Promise<void> {
  if (change.did === 'empty') await deleteForGood(db, userId, changeId, ids)
  else await update(db, userId, ids, change)
  if (change.did === 'restore') await showOldestOf(db, userId, ids)
}

type Kept = Exclude<Change, { did: 'empty' }>

async function update(db: Db, userId: number, ids: readonly string[], change: Kept): Promise<void> {
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
    tag: () => {
      const more = `p.tags || array(select t from unnest(${tags()}::text[]) as t where t <> all (p.tags))`
      // Of very many some may have got others meanwhile: they stay as they are.
      return `tags = case when cardinality(${more}) <= ${MOST_TAGS} then ${more} else p.tags end`
    },
    untag: () => `tags = array(select t from unnest(p.tags) as t where t <> all (${tags()}::text[]))`,
    describe: () => `${folder()}, tags = ${tags()}::text[]`,
    merge: folder,
    dissolve: folder,
  }[change.did]
  const from = 'from' in change ? `and p.folder_id = ${put(change.from)}` : ''
  await db.run(`update pictures p set ${set()} where p.id = any($1::uuid[]) and p.user_id = $2 ${from}`, values)
}

/** Those that lie in the trash as they did when they were counted; the next purge takes the bytes, however new they are. */
async function deleteForGood(db: Db, userId: number, changeId: string, ids: readonly string[]): Promise<void> {
  await db.run(
    `with gone as (
       delete from pictures p using library_changed c
       where c.change_id = $2 and c.picture_id = any($3::uuid[]) and p.id = c.picture_id and p.user_id = $1
         and p.deleted_at = c.deleted_at
       returning p.id, p.token)
     update files f set created_at = least(created_at, now() - interval '1 day')
     where f.user_id = $1 and f.token in (select token from gone)
       and not exists (select from pictures p where p.token = f.token and p.id not in (select id from gone))`,
    [userId, changeId, ids],
  )
}

/** With whatever was put into it meanwhile. */
export async function endFolder(
  db: Db,
  userId: number,
  { from, folderId }: { from: string; folderId: string | null },
): Promise<void> {
  await db.run(`update pictures set folder_id = $3 where user_id = $1 and folder_id = $2`, [userId, from, folderId])
  await db.run(`delete from folders where id = $2 and user_id = $1`, [userId, from])
}

/** What the change ended is a folder again; by another name where it is taken meanwhile. */
async function bringBackFolder(db: Db, userId: number, changeId: string): Promise<void> {
  await db.run(
    `insert into folders (id, user_id, name, key, cover)
     select f.id, $1, f.name || more, f.key || more, (select id from pictures where id = f.cover)
     from library_changes l, jsonb_populate_record(null::folders, l.ended_folder) f,
       lateral (select case when exists (select from folders o where o.user_id = $1 and o.key = f.key)
                       then ' (' || left(f.id::text, 4) || ')' else '' end as more) named
     where l.id = $2 and l.user_id = $1 and l.ended_folder is not null on conflict do nothing`,
    [userId, changeId],
  )
}

/** Of the same bytes the oldest row is shown that is not in the trash. */
export async function showOldestOf(db: Db, userId: number, ids: readonly string[]): Promise<void> {
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

const Changed = z.object({
  id: z.string(),
  did: z.enum(deeds),
  count: z.number(),
  state: z.enum(['queued', 'running', 'done', 'stopped', 'undone']),
  undoes: z.boolean(),
  total: z.number(),
  done: z.number(),
})
export type Changed = z.output<typeof Changed>

/** This one, or else, with null too, the one that is under way. */
export function findChange(db: Db, userId: number, id: string | null): Promise<Changed | null> {
  return db.maybeOne(
    Changed,
    `select id, did, count, state, undoes, total, done from library_changes
     where user_id = $1 and (id = $2 or state in ('queued', 'running'))
     order by (id = $2) desc nulls last, created_at limit 1`,
    [userId, id],
  )
}

/**
 * Puts back what the change changed, and forgets it: a second time there is nothing to undo. One of very many pictures is put back by
 * the workers. False where there is nothing to undo.
 */
export async function undoChange(db: Db, userId: number, changeId: string): Promise<boolean> {
  const change = await db.maybeOne(
    z.object({ did: z.enum(deeds), total: z.number() }),
    `select did, total from library_changes where id = $1 and user_id = $2 and state <> 'undone' for update`,
    [changeId, userId],
  )
  if (!change || change.did === 'empty') return false
  await bringBackFolder(db, userId, changeId)
  if (change.total > 0) await turnBack(db, changeId)
  else {
    await putBack(db, userId, changeId, change.did, await listChanged(db, changeId))
    await db.run(`delete from library_changes where id = $1 and user_id = $2`, [changeId, userId])
  }
  return true
}

/** From here on its parts are put back, whatever it was at; what it has not come to is forgotten. */
async function turnBack(tx: Db, id: string): Promise<void> {
  await tx.run(
    `delete from library_changed c using library_changes l
     where l.id = $1 and c.change_id = $1 and not l.undoes and (l.through is null or c.picture_id > l.through)`,
    [id],
  )
  await tx.run(
    `update library_changes set version = version + 1, state = case when state = 'running' then state else 'queued' end,
       undoes = true, cancel_requested_at = null, not_before = null, attempts = 0,
       total = case when undoes then total else done end, done = case when undoes then done else 0 end
     where id = $1`,
    [id],
  )
}

/** These of its pictures, as they were. */
export async function putBack(
  db: Db,
  userId: number,
  changeId: string,
  did: Kept['did'],
  ids: readonly string[],
): Promise<void> {
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
    merge: folder,
    dissolve: folder,
  }[did]
  await db.run(
    `update pictures p set ${set} from library_changed c
     where c.change_id = $1 and c.picture_id = any($3::uuid[]) and c.picture_id = p.id and p.user_id = $2`,
    [changeId, userId, ids],
  )
  if (did === 'delete') await showOldestOf(db, userId, ids)
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
  return db.run(
    `delete from library_changes where made_at < now() - interval '1 day' and state not in ('queued', 'running')`,
  )
}
