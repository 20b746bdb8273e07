import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { atEnd, type TestDatabase, testDatabase } from './database.ts'

const tables = `
create table playground_conversations (id uuid primary key, user_id bigint not null, workspace_type text not null, title text,
  snapshot_path text, last_message_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz not null default now());
create table playground_assets (id uuid primary key, user_id bigint not null, kind text not null, file_path text not null,
  mime_type text not null, size_bytes bigint not null, sha256 text not null, public_token uuid not null unique,
  created_at timestamptz not null default now(), unique (user_id, sha256));
create table playground_gallery_items (id uuid primary key, asset_token uuid, remote_url text, prompt text, size text,
  source_conversation_id uuid, source_image_id text, shared_by_user_id bigint not null, shared_by_name text,
  likes_count integer not null default 0, created_at timestamptz not null default now());
create table playground_gallery_likes (gallery_item_id uuid not null, user_id bigint not null,
  created_at timestamptz not null default now(), primary key (gallery_item_id, user_id));
create table playground_library_items (id uuid primary key, user_id bigint not null, asset_token uuid, remote_url text, prompt text,
  size text, source_conversation_id uuid, source_image_id text, folder text, tags text[], favorite boolean not null default false,
  deleted_at timestamptz, created_at timestamptz not null default now(), updated_at timestamptz not null default now());
create table playground_image_tasks (id uuid primary key, user_id bigint not null, api_key text, payload jsonb, status text not null,
  error text, result jsonb, archived boolean not null default false, created_at timestamptz not null default now());
create table playground_ssh_keys (id uuid primary key, user_id bigint not null, name text, public_key text not null,
  fingerprint text not null unique, key_type text, api_key text, api_key_id bigint, api_key_name text, last_used_at timestamptz,
  created_at timestamptz not null default now());`

export interface OldPlayground {
  db: TestDatabase
  dataDirectory: string
  /** Puts bytes there; answers the token under which rows name them. */
  asset(userId: number, bytes: Buffer, fields?: Record<string, unknown>): Promise<string>
  insert(table: string, row: Record<string, unknown>): Promise<string>
  /** A conversation with its snapshot: an object, or the bytes of a file. */
  conversation(userId: number, title: string, snapshot: object | Buffer | null): Promise<string>
}

/** An installation of the first product, as its data is laid out: a database and a folder. */
export async function oldPlayground(): Promise<OldPlayground> {
  const db = await testDatabase()
  await db.run('drop schema public cascade; create schema public')
  await db.run(tables)
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'playground-old-'))
  atEnd(() => rm(dataDirectory, { recursive: true, force: true }))

  async function insert(table: string, fields: Record<string, unknown>): Promise<string> {
    const row = table === 'playground_gallery_likes' ? fields : { id: randomUUID(), ...fields }
    const names = Object.keys(row)
    const places = names.map((_, index) => `$${index + 1}`)
    await db.run(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row))
    return 'id' in row ? String(row.id) : ''
  }
  async function write(name: string, bytes: Buffer | string): Promise<void> {
    const file = path.join(dataDirectory, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, bytes)
  }

  return {
    db,
    dataDirectory,
    insert,
    async asset(userId, bytes, fields = {}) {
      const token = randomUUID()
      const filePath = `${userId}/generated/${token}.png`
      await write(`assets/${filePath}`, bytes)
      await insert('playground_assets', {
        user_id: userId,
        kind: 'generated',
        file_path: filePath,
        mime_type: 'image/png',
        size_bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        public_token: token,
        ...fields,
      })
      return token
    },
    async conversation(userId, title, snapshot) {
      const row = { user_id: userId, workspace_type: 'create', title }
      const id = await insert('playground_conversations', row)
      if (snapshot) {
        const bytes = Buffer.isBuffer(snapshot) ? snapshot : JSON.stringify(snapshot)
        await write(`conversations/${userId}/${id}.json`, bytes)
      }
      return id
    },
  }
}
