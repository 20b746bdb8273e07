-- agents: SSH keys that scripts and AI agents sign in with, instead of ever holding an API key

create table ssh_keys (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  name text not null,
  type text not null,
  blob bytea not null, -- the public key, RFC 4253 §6.6
  fingerprint text not null, -- SHA256:…
  key_id bigint not null, -- the API key that pays
  key_name text not null,
  key_group text,
  key_allows_images boolean not null,
  key_prices jsonb,
  key_checked_at timestamptz not null default now(), -- when group and prices were what the gateway said
  key_secret bytea, -- sealed; erased when the SSH key is revoked
  pictures_per_day integer, -- limits: null = none
  jobs_at_once integer,
  sizes text[],
  qualities text[],
  spend_per_day numeric(12, 4), -- US dollars
  spend_total numeric(12, 4), -- likewise
  proof_nonce text unique, -- names the one-time address; null once proved
  proof_text text, -- what has to be signed to prove possession
  created_at timestamptz(3) not null default clock_timestamp(),
  proved_at timestamptz, -- null: pending, signs nobody in
  last_used_at timestamptz,
  revoked_at timestamptz,
  check (revoked_at is not null or key_secret is not null)
);
-- Pending bindings of one key may be many; who proves it has it alone.
create unique index ssh_keys_proved on ssh_keys (fingerprint) where proved_at is not null and revoked_at is null;
create unique index ssh_keys_once_per_user on ssh_keys (user_id, fingerprint) where revoked_at is null;
create index ssh_keys_of_user on ssh_keys (user_id, created_at desc);

create table ssh_challenges (
  hash bytea primary key, -- SHA-256 of the challenge's id
  ssh_key_id uuid not null references ssh_keys on delete cascade,
  created_at timestamptz not null default clock_timestamp()
);
create index ssh_challenges_by_age on ssh_challenges (created_at);

create table ssh_tokens (
  id uuid primary key default gen_random_uuid(),
  hash bytea not null unique, -- SHA-256 of the bearer token
  ssh_key_id uuid not null references ssh_keys on delete cascade,
  address text not null,
  user_agent text not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  expires_at timestamptz not null,
  last_used_at timestamptz
);
create index ssh_tokens_of_key on ssh_tokens (ssh_key_id, created_at desc);
create index ssh_tokens_by_expiry on ssh_tokens (expires_at);

create table agent_tasks (
  job_id uuid primary key,
  ssh_key_id uuid not null references ssh_keys on delete cascade,
  body_hash bytea not null, -- SHA-256 of the request's body: the same Idempotency-Key must come with the same one
  conversation_id text -- the client's own, given back
);
create index agent_tasks_of_key on agent_tasks (ssh_key_id);

-- images: which SSH key asked for a job, if it was not a person in a browser

alter table image_jobs add column ssh_key_id uuid;
create index image_jobs_of_ssh_key on image_jobs (ssh_key_id, created_at desc, id desc) where ssh_key_id is not null;
