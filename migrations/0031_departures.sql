-- departures: people who have all that is theirs here deleted

create table departures (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null unique, -- outlives the row of the user
  state text not null default 'queued' check (state in ('queued', 'running')),
  version integer not null default 1,
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz,
  started_at timestamptz,
  attempts integer not null default 0,
  claim uuid,
  lease_until timestamptz,
  cancel_requested_at timestamptz
);

create trigger wake_for_departures after insert or update on departures
  for each row when (new.state = 'queued') execute function wake_workers('departure');

-- Nobody signs in until it is over.
alter table users add column leaving_at timestamptz;

-- Receipts of people who are gone are sums of nobody.
alter table receipts alter column user_id drop not null;
alter table receipts alter column key_id drop not null;
alter table gallery_audit alter column admin_id drop not null;
