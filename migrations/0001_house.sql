-- session: who signed in, in which browsers

create table users (
  id bigint primary key, -- the gateway's id
  email text not null,
  name text not null,
  role text not null,
  created_at timestamptz not null default now(),
  signed_in_at timestamptz not null default now()
);

create table sign_ins (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  access_token bytea not null, -- sealed
  renew_at timestamptz not null, -- shortly before the access token expires
  refresh_token bytea, -- sealed
  token_version integer not null default 1,
  refreshing_until timestamptz,
  address text not null, -- sent to the gateway with every call of this sign-in
  user_agent text not null, -- likewise
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
create index sign_ins_of_user on sign_ins (user_id, last_seen_at desc);

create table sessions (
  sid text primary key, -- SHA-256 of the cookie's id
  sess jsonb not null,
  expire timestamptz not null
);
create index sessions_by_expiry on sessions (expire);

create unlogged table rate_limits (
  key text primary key,
  points integer not null default 0,
  expire bigint
);
create index rate_limits_by_expiry on rate_limits (expire);

-- account: balance and the chosen key

create table accounts (
  user_id bigint primary key references users on delete cascade,
  balance double precision, -- US dollars
  balance_at timestamptz,
  key_id bigint,
  key_name text,
  key_group text,
  key_allows_images boolean,
  key_prices jsonb, -- US dollars per picture: {"1K", "2K", "4K"}, multiplier applied
  key_secret bytea -- sealed
);

-- library: the pictures people keep

create table files (
  token text primary key,
  user_id bigint not null references users on delete cascade,
  sha256 bytea not null,
  bytes bigint not null,
  format text not null,
  width integer not null,
  height integer not null,
  has_alpha boolean not null,
  color text not null,
  created_at timestamptz not null default now(),
  unique (user_id, sha256)
);

create table pictures (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  token text not null references files,
  job_id uuid,
  position integer not null default 0,
  model text not null,
  prompt text not null,
  requested_size text not null,
  quality text not null,
  favourite boolean not null default false,
  created_at timestamptz(3) not null default clock_timestamp(), -- milliseconds: lists page by it
  deleted_at timestamptz(3),
  unique (job_id, position)
);
create index pictures_kept on pictures (user_id, created_at desc, id desc) where deleted_at is null;
create index pictures_deleted on pictures (user_id, deleted_at desc, id desc) where deleted_at is not null;
create index pictures_by_file on pictures (token);

-- images: the jobs that make them

create table image_jobs (
  id uuid primary key,
  user_id bigint not null references users on delete cascade,
  submission uuid not null,
  sign_in_id uuid,
  state text not null default 'queued'
    check (state in ('queued', 'running', 'done', 'failed', 'unknown', 'cancelled')),
  version integer not null default 1, -- grows with every change that a page shows
  model text not null,
  prompt text not null,
  size text not null,
  quality text not null,
  n integer not null,
  format text not null,
  compression integer,
  background text not null,
  moderation text not null,
  estimate double precision, -- US dollars
  key_id bigint not null,
  key_secret bytea, -- sealed; erased when the job ends
  caller_address text not null,
  caller_user_agent text not null,
  created_at timestamptz(3) not null default clock_timestamp(), -- milliseconds: lists page by it
  not_before timestamptz, -- the gateway asked us to wait
  started_at timestamptz,
  finished_at timestamptz,
  attempts integer not null default 0,
  claim uuid, -- of the worker that runs it
  lease_until timestamptz,
  called_at timestamptz, -- the gateway was asked; from here on it may have been charged
  cancel_requested_at timestamptz,
  preview_step integer,
  tokens text[] not null default '{}', -- files of this job, named before their bytes are stored
  request_id text,
  failure_reason text,
  charged text,
  failure_detail text,
  failure_field text,
  retry_at timestamptz,
  cost double precision, -- US dollars, from the gateway's usage row
  cost_until timestamptz, -- the usage row is being looked for until then
  unique (user_id, submission),
  check ((state in ('queued', 'running')) = (finished_at is null)),
  check (state in ('queued', 'running') or key_secret is null),
  check (state <> 'running' or (claim is not null and lease_until is not null))
);
create index image_jobs_of_user on image_jobs (user_id, created_at desc, id desc);
create index image_jobs_unfinished on image_jobs (state, user_id, created_at, id) where state in ('queued', 'running');

create unlogged table image_previews (
  job_id uuid primary key,
  bytes bytea not null
);

create table image_drafts (
  user_id bigint primary key references users on delete cascade,
  form jsonb not null,
  updated_at timestamptz not null default now()
);
