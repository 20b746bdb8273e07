-- serves 0034
-- Which page of Create wrote the draft last, how often it was written, and whether it was sent: a page that did not go on
-- from it must not write over words of it.
alter table image_drafts
  add column page uuid not null default gen_random_uuid(),
  add column version integer not null default 0,
  add column sent boolean not null default false;

-- Drafts that another one took the place of before they were sent.
create table kept_drafts (
  user_id bigint not null references users on delete cascade,
  page uuid not null,
  form jsonb not null,
  kept_at timestamptz not null default now(),
  offered boolean not null default true,
  primary key (user_id, page)
);
