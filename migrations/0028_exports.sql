-- exports: pictures on their way out, as a ZIP

create table exports (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  submission uuid not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'ready', 'failed', 'cancelled')),
  version integer not null default 1,
  name text not null, -- of the file, without .zip
  total integer not null, -- files in it
  checked integer not null default 0,
  bytes bigint not null, -- of its files together
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  expires_at timestamptz, -- once it is ready
  attempts integer not null default 0,
  claim uuid,
  lease_until timestamptz,
  cancel_requested_at timestamptz,
  unique (user_id, submission)
);
create index exports_by_user on exports (user_id, created_at desc, id desc);
create index exports_waiting on exports (created_at) where state in ('queued', 'running');

create trigger wake_for_exports after insert or update on exports
  for each row when (new.state = 'queued') execute function wake_workers('export');

-- The files of an export, in their order. What its bytes are is read from the store: until then it has no checksum.
create table export_files (
  export_id uuid not null references exports on delete cascade,
  number integer not null,
  object text not null, -- in the store
  name text not null, -- in the ZIP
  bytes bigint not null,
  crc32 bigint,
  sha256 bytea,
  is_missing boolean not null default false, -- the store has it no more
  facts jsonb not null, -- what the manifest says of it
  primary key (export_id, number)
);
create index export_files_unchecked on export_files (export_id, number) where crc32 is null and not is_missing;
