-- serves 0034
-- What operators did, in one log, kept when pictures and people are gone. Columns are all that it may tell.
create table operator_acts (
  id bigint generated always as identity primary key,
  at timestamptz(3) not null default clock_timestamp(),
  admin_id bigint,
  act text not null,
  -- Whom it was done to.
  user_id bigint,
  -- What it was done to: an id.
  subject text,
  reason text not null default '',
  count integer
);
create index operator_acts_of_admin on operator_acts (admin_id);
create index operator_acts_of_user on operator_acts (user_id) where user_id is not null;

insert into operator_acts (at, admin_id, act, user_id, subject, reason)
  select at, admin_id, did, user_id, picture_id::text, reason from gallery_audit order by id;

-- Processes of earlier versions write to where the gallery had its own log.
create function log_judgement() returns trigger language plpgsql as $$
begin
  insert into operator_acts (at, admin_id, act, user_id, subject, reason)
    values (new.at, new.admin_id, new.did, new.user_id, new.picture_id::text, new.reason);
  return null;
end $$;
create trigger gallery_audit_logged after insert on gallery_audit for each row execute function log_judgement();
