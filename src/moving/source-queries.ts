import { z } from 'zod'
import type { Db } from '../db/db.ts'
import * as source from './source.ts'

const AT_ONCE = 1000

/** Which of the first product's tables are there. */
export async function listSourceTables(db: Db): Promise<string[]> {
  const rows = await db.many(
    z.object({ name: z.string() }),
    `select tablename::text as name from pg_tables where schemaname = 'public' and starts_with(tablename, 'playground_')`,
  )
  return rows.map(({ name }) => name)
}

export async function countSource(db: Db, table: string): Promise<number> {
  return (await db.one(z.object({ count: z.number() }), `select count(*) from public.${table}`)).count
}

/** Waits until all that has been committed is on the disk, also what did not wait for that itself. */
export async function flushCommits(db: Db): Promise<void> {
  await db.run('select pg_current_xact_id()')
}

export function eachConversation(db: Db) {
  return pages(after =>
    db.many(
      source.SourceConversation,
      `select id::text, user_id, workspace_type, title, snapshot_path, created_at, updated_at
       from playground_conversations where $1::uuid is null or id > $1::uuid order by id limit $2`,
      [after, AT_ONCE],
    ),
  )
}

export function eachItem(db: Db) {
  return pages(after =>
    db.many(
      source.SourceItem,
      `select id::text, user_id, asset_token::text, remote_url, prompt, size, folder, tags, favorite, deleted_at, created_at
       from playground_library_items where $1::uuid is null or id > $1::uuid order by id limit $2`,
      [after, AT_ONCE],
    ),
  )
}

export function eachExhibit(db: Db) {
  return pages(after =>
    db.many(
      source.SourceExhibit,
      `select id::text, asset_token::text, prompt, size, shared_by_user_id, shared_by_name, created_at
       from playground_gallery_items where $1::uuid is null or id > $1::uuid order by id limit $2`,
      [after, AT_ONCE],
    ),
  )
}

export function eachKey(db: Db) {
  return pages(after =>
    db.many(
      source.SourceKey,
      `select id::text, user_id, name, public_key, api_key_id, api_key_name, api_key
       from playground_ssh_keys where $1::uuid is null or id > $1::uuid order by id limit $2`,
      [after, AT_ONCE],
    ),
  )
}

export function listLikes(db: Db, exhibitId: string): Promise<z.output<typeof source.SourceLike>[]> {
  return db.many(
    source.SourceLike,
    `select gallery_item_id::text, user_id, created_at from playground_gallery_likes where gallery_item_id = $1::uuid`,
    [exhibitId],
  )
}

/** By their public tokens. */
export function listAssets(db: Db, tokens: readonly string[]): Promise<source.SourceAsset[]> {
  return db.many(
    source.SourceAsset,
    `select id::text, user_id, kind, file_path, mime_type, size_bytes, sha256, public_token::text
     from playground_assets where public_token = any($1::uuid[])`,
    [tokens],
  )
}

/** A page at a time, however many there are. */
async function* pages<Row extends { id: string }>(list: (after: string | null) => Promise<Row[]>) {
  for (let rows = await list(null); rows.length > 0; rows = await list(rows.at(-1)!.id)) yield rows
}
