-- spend: what may have been paid for, and which of the gateway's usage rows says so

create table receipts (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  sign_in_id uuid, -- asked through first; any other of this person will do
  kind text not null check (kind in ('picture', 'answer', 'title')),
  subject uuid not null, -- the job, the message of the answer, or the conversation
  key_id bigint not null,
  model text not null,
  request_id text,
  called_at timestamptz not null,
  ended_at timestamptz not null,
  certain boolean not null, -- the reply proved a charge: only the amount is missing
  works_until timestamptz not null, -- until then the gateway may still be working on it
  look_at timestamptz, -- the next look at the usage rows; null: settled, or left to the person
  looks integer not null default 0,
  usage_id bigint, -- the row that explains it
  cost double precision, -- US dollars
  evidence jsonb, -- what the last look said of one that is not certain
  unique (kind, subject),
  unique (user_id, usage_id) -- a row explains one call
);
create index receipts_due on receipts (look_at) where look_at is not null;
create index receipts_by_request on receipts (user_id, request_id) where request_id is not null;

alter table replies add column evidence jsonb; -- as in image_jobs

insert into receipts (user_id, sign_in_id, kind, subject, key_id, model, request_id, called_at, ended_at, certain,
    works_until, cost, look_at)
  select user_id, sign_in_id, 'picture', id, key_id, model, request_id, called_at, finished_at, charged = 'yes',
    finished_at + interval '20 minutes', cost, case when charged = 'unknown' then now() end
  from image_jobs where called_at is not null and finished_at is not null and charged in ('yes', 'unknown');
insert into receipts (user_id, sign_in_id, kind, subject, key_id, model, request_id, called_at, ended_at, certain,
    works_until, cost, look_at)
  select user_id, sign_in_id, 'answer', message_id, key_id, model, request_id, called_at, finished_at, charged = 'yes',
    finished_at + interval '20 minutes', cost, case when charged = 'unknown' then now() end
  from replies
  where called_at is not null and finished_at is not null and charged in ('yes', 'unknown') and key_id is not null;

-- session: how often the gateway's panel was asked for a person in this minute, by all processes

create unlogged table panel_calls (
  user_id bigint primary key,
  minute timestamptz not null,
  calls integer not null,
  usage_calls integer not null -- of them, for usage rows, which are allowed less often
);
