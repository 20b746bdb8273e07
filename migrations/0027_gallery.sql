-- gallery: what people show to everybody, or to whoever has a link

-- Who shows something, as others see them.
create table exhibitors (
  user_id bigint primary key references users on delete cascade,
  id uuid not null unique default gen_random_uuid(), -- what others know them by
  name text not null,
  licence text, -- the operator's sentence that they have agreed to
  agreed_at timestamptz
);
create index exhibitors_search on exhibitors using gin (search_text(name) gin_trgm_ops);

-- A picture that is shown. Its id is the only name that the public learns; it dies with the row.
create table exhibits (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references exhibitors on delete cascade,
  picture_id uuid not null references pictures on delete cascade,
  token text not null, -- of its bytes
  is_listed boolean not null, -- false: only whoever has the link sees it
  prompt text, -- null: not shown
  settings jsonb, -- null: not shown
  width integer not null,
  height integer not null,
  has_alpha boolean not null,
  color text not null,
  likes integer not null default 0,
  created_at timestamptz(3) not null default clock_timestamp(),
  expires_at timestamptz,
  hidden_because text, -- null: not hidden
  search text generated always as (search_text(coalesce(prompt, ''))) stored,
  check (is_listed or expires_at is null or expires_at > created_at)
);
create unique index exhibits_once on exhibits (picture_id) where is_listed;
create index exhibits_by_picture on exhibits (picture_id);
create index exhibits_by_user on exhibits (user_id, created_at desc, id desc);
create index exhibits_newest on exhibits (created_at desc, id desc) where is_listed and hidden_because is null;
create index exhibits_liked on exhibits (likes desc, id desc) where is_listed and hidden_because is null;
create index exhibits_search on exhibits using gin (search gin_trgm_ops) where is_listed and hidden_because is null;

-- Whatever takes a picture from its library ends what shows it, at once.
create function withdraw_deleted() returns trigger language plpgsql as $$
begin
  delete from exhibits where picture_id = new.id;
  return null;
end $$;
create trigger pictures_withdrawn after update of deleted_at on pictures
  for each row when (old.deleted_at is null and new.deleted_at is not null) execute function withdraw_deleted();

create table likes (
  exhibit_id uuid not null references exhibits on delete cascade,
  user_id bigint not null references users on delete cascade,
  month date not null default date_trunc('month', now() at time zone 'utc'),
  primary key (exhibit_id, user_id)
);
create index likes_by_user on likes (user_id);

create table likes_of_month (
  month date not null,
  exhibit_id uuid not null references exhibits on delete cascade,
  likes integer not null,
  primary key (exhibit_id, month)
);
create index likes_of_month_most on likes_of_month (month, likes desc, exhibit_id desc);

-- Whatever adds or takes a like is counted, once.
create function count_like() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update exhibits set likes = likes + 1 where id = new.exhibit_id;
    insert into likes_of_month as m (month, exhibit_id, likes) values (new.month, new.exhibit_id, 1)
      on conflict (exhibit_id, month) do update set likes = m.likes + 1;
  else
    update exhibits set likes = likes - 1 where id = old.exhibit_id;
    update likes_of_month set likes = likes - 1 where exhibit_id = old.exhibit_id and month = old.month;
  end if;
  return null;
end $$;
create trigger likes_counted after insert or delete on likes for each row execute function count_like();

-- One a person and exhibit: told again, it is the same report, open again.
create table gallery_reports (
  exhibit_id uuid not null references exhibits on delete cascade,
  user_id bigint not null references users on delete cascade,
  reason text not null check (reason in ('illegal', 'sexual', 'violence', 'person', 'rights', 'spam', 'other')),
  words text not null,
  told_at timestamptz(3) not null default clock_timestamp(),
  closed_at timestamptz,
  primary key (exhibit_id, user_id)
);
create index gallery_reports_open on gallery_reports (told_at) where closed_at is null;

create table gallery_blocks (
  user_id bigint not null references users on delete cascade,
  blocked_id bigint not null references exhibitors on delete cascade,
  primary key (user_id, blocked_id)
);

-- What operators did, kept when picture and people are gone.
create table gallery_audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  admin_id bigint not null,
  did text not null check (did in ('hide', 'show', 'dismiss')),
  picture_id uuid not null,
  user_id bigint not null,
  reason text not null
);
create index gallery_audit_by_picture on gallery_audit (picture_id, id desc);
