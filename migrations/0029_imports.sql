-- imports: ZIP files of pictures that people bring, taken apart by a worker

create table imports (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  version integer not null default 1,
  name text not null, -- of the file, as its person calls it
  object text not null, -- in the store, until it has ended
  bytes bigint not null,
  total integer, -- entries; null before anybody has looked
  added integer not null default 0,
  skipped integer not null default 0,
  refused integer not null default 0,
  problem text, -- why it failed as a whole
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  attempts integer not null default 0,
  claim uuid,
  lease_until timestamptz,
  cancel_requested_at timestamptz
);
create index imports_by_user on imports (user_id, created_at desc, id desc);
create index imports_waiting on imports (created_at) where state in ('queued', 'running');

create trigger wake_for_imports after insert or update on imports
  for each row when (new.state = 'queued') execute function wake_workers('import');

-- What became of each entry, in the order of the file: those are not looked at again.
create table import_entries (
  import_id uuid not null references imports on delete cascade,
  number integer not null,
  name text not null,
  outcome text not null check (outcome in ('added', 'skipped', 'refused')),
  reason text, -- null where nothing is to be said
  picture_id uuid, -- it came to, or was already
  primary key (import_id, number)
);

-- Of a picture that was made elsewhere: when it came here, and what it cost there. No receipt of this site.
alter table pictures add column imported jsonb;
