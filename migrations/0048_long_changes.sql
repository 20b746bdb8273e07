-- serves 0034
-- library: what is done with very many pictures is a row with a state, done part by part, stopped and undone the same way

alter table library_changes
  add column folder_id uuid, -- where they move to
  add column tags text[], -- that they get or lose
  add column count integer not null default 0, -- of pictures that a list shows
  add column state text not null default 'done' check (state in ('queued', 'running', 'done', 'stopped', 'undone')),
  add column undoes boolean not null default false, -- it is being put back, or was
  add column total integer not null default 0, -- rows to go through; 0: it was done at once
  add column done integer not null default 0,
  add column through uuid, -- the last picture that was seen to
  add column version integer not null default 1,
  add column created_at timestamptz(3) not null default clock_timestamp(),
  add column not_before timestamptz,
  add column started_at timestamptz,
  add column attempts integer not null default 0,
  add column claim uuid,
  add column lease_until timestamptz,
  add column cancel_requested_at timestamptz;

update library_changes l set count =
  (select count(*) from library_changed c join pictures p on p.id = c.picture_id where c.change_id = l.id and not p.is_copy);

create index library_changes_under_way on library_changes (user_id, created_at) where state in ('queued', 'running');
create index library_changes_by_user on library_changes (user_id);

create trigger wake_for_changes after insert or update on library_changes
  for each row when (new.state = 'queued') execute function wake_workers('change');
