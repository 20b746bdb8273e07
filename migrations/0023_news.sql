-- What has become true and somebody has still to act on: written in the transaction in which it does, gone when it was acted on
create table news (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  topic text not null check (topic in ('picture-ended', 'answer-ended', 'conversation-changed')),
  subject uuid not null, -- the job, answer or conversation
  state text not null default 'queued' check (state in ('queued', 'running')),
  version integer not null default 1,
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz, -- acting on it failed, and is tried again then
  started_at timestamptz,
  attempts integer not null default 0,
  claim uuid, -- of the worker that acts on it
  lease_until timestamptz,
  cancel_requested_at timestamptz -- never: every long row has it
);
create index news_in_line on news (created_at) where state = 'queued';
create index news_by_lease on news (lease_until) where lease_until is not null;

-- Whoever asked for the picture acts on its end
alter table image_jobs add tells_end boolean not null default false;
update image_jobs j set tells_end = true from tool_calls t where t.job_id = j.id and t.state = 'painting';
insert into news (user_id, topic, subject)
  select t.user_id, 'picture-ended', t.job_id from tool_calls t join image_jobs j on j.id = t.job_id
  where t.state = 'painting' and j.state not in ('queued', 'running');
