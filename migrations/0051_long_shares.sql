-- serves 0034
-- gallery: very many pictures are shown by a row with a state, part by part: asked about first, stopped, and taken back at once

create table gallery_shares (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  is_listed boolean not null default true,
  with_prompt boolean not null default false,
  with_settings boolean not null default false,
  days integer, -- that their links last; null: until they are ended
  state text not null default 'asked' check (state in ('asked', 'queued', 'running', 'done', 'stopped', 'undone')),
  total integer not null,
  done integer not null default 0, -- the place of the last picture that was seen to
  left_out integer not null default 0, -- that could not be shown, or must not
  made_at timestamptz not null default now(),
  version integer not null default 1,
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz,
  started_at timestamptz,
  attempts integer not null default 0,
  claim uuid,
  lease_until timestamptz,
  cancel_requested_at timestamptz
);
create index gallery_shares_by_user on gallery_shares (user_id, created_at);
create index gallery_shares_by_age on gallery_shares (made_at);

create table gallery_share_pictures (
  share_id uuid not null references gallery_shares on delete cascade,
  place integer not null, -- from 1, the oldest picture first
  picture_id uuid not null,
  exhibit_id uuid, -- null: not shown by this
  before jsonb, -- what it showed, where it hung already
  primary key (share_id, place)
);

create trigger wake_for_shares after insert or update on gallery_shares
  for each row when (new.state = 'queued') execute function wake_workers('share');
