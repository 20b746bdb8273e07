-- account: whether edits come with previews, which some gateways bill by tokens

alter table accounts add column edit_previews boolean; -- null: as the operator has it

-- images: previews asked for with the call, 0 = not streamed; and how a streamed edit of a key was billed last

alter table image_jobs add column previews integer;
create index image_jobs_timed_out on image_jobs (finished_at) where failure_reason = 'timeout';

create table edit_billing (
  user_id bigint not null references users on delete cascade,
  key_id bigint not null,
  by_tokens boolean not null,
  seen_at timestamptz not null default now(),
  primary key (user_id, key_id)
);
