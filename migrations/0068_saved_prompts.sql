-- serves 0034
-- A prompt that a person keeps, with the settings and references of the form that it was in.
create table saved_prompts (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  name text not null,
  form jsonb not null,
  created_at timestamptz(3) not null default clock_timestamp()
);
create index saved_prompts_of_user on saved_prompts (user_id, created_at desc, id desc);
