-- serves 0034
-- What operators tell everybody. Both languages, either may be empty.
create table announcements (
  id uuid primary key,
  en text not null,
  zh text not null,
  starts_at timestamptz not null,
  ends_at timestamptz,
  withdrawn_at timestamptz,
  created_at timestamptz(3) not null default clock_timestamp(),
  check (en <> '' or zh <> '')
);
create index announcements_standing on announcements (starts_at) where withdrawn_at is null;

create table announcement_dismissals (
  announcement_id uuid not null references announcements (id) on delete cascade,
  user_id bigint not null references users (id) on delete cascade,
  primary key (announcement_id, user_id)
);
create index announcement_dismissals_of_user on announcement_dismissals (user_id);

-- One row: since when nothing new is begun, and until when that is thought to last.
create table maintenance (
  one boolean primary key default true check (one),
  since timestamptz,
  until timestamptz
);
insert into maintenance default values;

-- Asked by every transaction that begins work: the lock lasts as long as that, and whoever begins maintenance takes it for
-- themselves, so that nothing is begun by anybody once they have committed. A statement of a function sees what was
-- committed while it waited.
create function maintenance_now() returns table (since timestamptz, until timestamptz) language plpgsql volatile as $$
begin
  perform pg_advisory_xact_lock_shared(743055, 0);
  return query select m.since, m.until from maintenance m where m.since is not null;
end $$;

create function tell_bulletin() returns trigger language plpgsql as $$
begin
  perform pg_notify('work', 'bulletin');
  return null;
end $$;
create trigger announcements_told after insert or update or delete on announcements for each statement execute function tell_bulletin();
create trigger maintenance_told after update on maintenance for each statement execute function tell_bulletin();
