-- library: what came from what

alter table pictures
  add column source_tokens text[] not null default '{}', -- of the files it was made from, in order
  add column changed_outside real, -- of an edit with a mask: 0 to 1, the share of the pixels outside it that changed
  add column composed_from uuid; -- the result whose masked area was pasted into its original
create index pictures_by_source on pictures using gin (source_tokens) where source_tokens <> '{}';
create unique index pictures_composed on pictures (composed_from) where composed_from is not null;

update pictures p set source_tokens = j.reference_tokens
  from image_jobs j where j.id = p.job_id and j.reference_tokens <> '{}';

-- images: many prompts in one go

create table image_batches (
  id uuid primary key,
  user_id bigint not null references users on delete cascade,
  submission uuid not null,
  state text not null default 'running' check (state in ('running', 'paused')),
  version integer not null default 1, -- grows with every change of the state
  created_at timestamptz(3) not null default clock_timestamp(),
  unique (user_id, submission)
);

alter table image_jobs
  add column batch_id uuid references image_batches on delete set null,
  add column batch_line integer,
  add column withdrawn_at timestamptz, -- its batch was cancelled or its SSH key revoked: not sent any more
  add column evidence jsonb; -- what a look at the gateway's usage rows said, where the outcome was not known
create index image_jobs_of_batch on image_jobs (batch_id, batch_line) where batch_id is not null;
