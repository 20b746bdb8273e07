-- library: what people bring along is kept beside what was made

alter table pictures
  add column origin text not null default 'made' check (origin in ('made', 'uploaded', 'composed'));

-- images: what a job starts from

alter table image_jobs
  add column reference_tokens text[] not null default '{}', -- of files, in order; any make the job an edit
  add column mask_id uuid;
create index image_jobs_by_reference on image_jobs using gin (reference_tokens) where reference_tokens <> '{}';

create table image_masks (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  width integer not null,
  height integer not null,
  bytes bytea not null, -- PNG; what is transparent may be changed
  created_at timestamptz not null default now()
);
create index image_masks_by_age on image_masks (created_at);
