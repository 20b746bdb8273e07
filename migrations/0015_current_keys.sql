-- What the gateway said last of the chosen key beside its price: whether it can be used, and what its windows hold.
-- Asked again when it is older than a few minutes.
alter table accounts
  add column key_state jsonb,
  add column key_checked_at timestamptz,
  -- Keys that could pay instead, without their secrets: id, name, group, whether it allows images.
  add column other_keys jsonb not null default '[]';
alter table ssh_keys add column key_state jsonb;

alter table image_jobs
  -- Which window of its key it waits for, until `not_before`.
  add column waits_for text check (waits_for in ('5h', '1d', '7d')),
  -- Its price could not be checked when it was asked for.
  add column estimate_stale boolean not null default false;
alter table replies add column waits_for text check (waits_for in ('5h', '1d', '7d'));

-- Jobs that wait for a window of their key: let go when it opens earlier.
create index image_jobs_windows on image_jobs (key_id) where state = 'queued' and waits_for is not null;
