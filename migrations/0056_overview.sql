-- serves 0034
-- What operators look at, without reading through everything.
create index image_jobs_failed on image_jobs (finished_at) where state in ('failed', 'unknown');
create index replies_failed on replies (finished_at) where state in ('failed', 'unknown');
create index users_by_sign_in on users (date_trunc('milliseconds', signed_in_at at time zone 'utc') desc, id desc);
create index spend_days_by_day on spend_days (day);

-- The processes of this installation, as they last said; unlogged: they say it again.
create unlogged table processes (
  id uuid primary key,
  role text not null,
  version text not null,
  host text not null,
  started_at timestamptz not null,
  heard_at timestamptz not null default now()
);
