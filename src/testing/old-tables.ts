/** The tables of the first product. */
export const tables = `
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
