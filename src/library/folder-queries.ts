import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { nameKey } from './names.ts'

const Folder = z.object({
  id: z.string(),
  name: z.string(),
  /** Of a smart folder: the query of its search. */
  query: z.string().nullable(),
})
export type Folder = z.output<typeof Folder>

const FolderWithCover = Folder.extend({ count: z.number(), cover: z.string().nullable() })
export type FolderWithCover = z.output<typeof FolderWithCover>

const columns = 'id, name, query'

/** By their names. */
export function listFolders(db: Db, userId: number): Promise<Folder[]> {
  return db.many(
    Folder,
    `select ${columns} from folders where user_id = $1 order by query is not null, key limit 500`,
    [userId],
  )
}

// The same pictures that a list of the folder shows, uploads too.
const inFolder = `p.folder_id = folders.id and p.deleted_at is null and not p.is_copy`

/** With how many pictures lie in each and the token of its cover: the one chosen, or else the newest. */
export function listFoldersWithCovers(db: Db, userId: number): Promise<FolderWithCover[]> {
  return db.many(
    FolderWithCover,
    `select ${columns}, (select count(*) from pictures p where ${inFolder}) as count,
       coalesce(
         (select p.token from pictures p where p.id = folders.cover and p.deleted_at is null),
         (select p.token from pictures p where ${inFolder} order by p.created_at desc, p.id desc limit 1)) as cover
     from folders where user_id = $1 order by query is not null, key limit 500`,
    [userId],
  )
}

export function findFolder(db: Db, userId: number, id: string): Promise<Folder | null> {
  return db.maybeOne(Folder, `select ${columns} from folders where id = $1 and user_id = $2`, [id, userId])
}

export function findFolderNamed(db: Db, userId: number, name: string): Promise<Folder | null> {
  return db.maybeOne(Folder, `select ${columns} from folders where user_id = $1 and key = $2`, [userId, nameKey(name)])
}

/** Null when there is one of this name. */
export function insertFolder(db: Db, userId: number, name: string, query: string | null): Promise<Folder | null> {
  return db.maybeOne(
    Folder,
    `insert into folders (user_id, name, key, query) values ($1, $2, $3, $4)
     on conflict (user_id, key) do nothing returning ${columns}`,
    [userId, name, nameKey(name), query],
  )
}

/** False when another has this name. */
export async function renameFolder(db: Db, userId: number, id: string, name: string): Promise<boolean> {
  const changed = await db.run(
    `update folders set name = $3, key = $4 where id = $2 and user_id = $1
       and not exists (select from folders f where f.user_id = $1 and f.key = $4 and f.id <> $2)`,
    [userId, id, name, nameKey(name)],
  )
  return changed === 1
}

/** Ids of all that lies in it, the trash included. */
export async function listInFolder(db: Db, userId: number, id: string): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select id from pictures where user_id = $1 and folder_id = $2`,
    [userId, id],
  )
  return rows.map(row => row.id)
}

export async function deleteFolder(db: Db, userId: number, id: string): Promise<void> {
  await db.run(`delete from folders where id = $1 and user_id = $2`, [id, userId])
}

/** The cover is a picture that lies in the folder. */
export async function setCover(db: Db, userId: number, id: string, pictureId: string): Promise<boolean> {
  const changed = await db.run(
    `update folders set cover = p.id from pictures p
     where folders.id = $2 and folders.user_id = $1 and p.id = $3 and p.user_id = $1 and p.folder_id = folders.id`,
    [userId, id, pictureId],
  )
  return changed === 1
}

const Tag = z.object({ key: z.string(), name: z.string() })
export type Tag = z.output<typeof Tag>

/** Those with these keys, as they were first written. */
export function listTags(db: Db, userId: number, keys: readonly string[]): Promise<Tag[]> {
  return db.many(Tag, `select key, name from tags where user_id = $1 and key = any($2) order by key`, [userId, keys])
}

/** To be suggested: those last thought of are not known, so by their names. */
export function listAllTags(db: Db, userId: number): Promise<Tag[]> {
  return db.many(Tag, `select key, name from tags where user_id = $1 order by key limit 1000`, [userId])
}

/** Makes those that are not there yet; answers all their keys. */
export async function ensureTags(db: Db, userId: number, names: readonly string[]): Promise<string[]> {
  const keys = names.map(nameKey)
  await db.run(
    `insert into tags (user_id, key, name) select $1, key, name from unnest($2::text[], $3::text[]) as t (key, name)
     on conflict do nothing`,
    [userId, keys, names],
  )
  return keys
}

/** Tags that no picture has any more. */
export function deleteUnusedTags(db: Db): Promise<number> {
  return db.run(
    `delete from tags t where not exists (select from pictures p where p.user_id = t.user_id and p.tag_hashes @> array[tag_hash(t.key)])
       and not exists (select from library_changed c join library_changes l on l.id = c.change_id
                       where l.user_id = t.user_id and c.tags @> array[t.key])
       and not exists (select from library_changes l where l.user_id = t.user_id and l.tags @> array[t.key])`,
  )
}
