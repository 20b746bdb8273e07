-- What migrations/ make. Written by npm run docs.

create extension btree_gin;
create extension pg_trgm;

CREATE OR REPLACE FUNCTION public.count_for_ssh_key()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op <> 'INSERT' then
    update ssh_key_days set pictures = pictures - old.counted_pictures, usd = usd - old.counted_usd
      where ssh_key_id = old.ssh_key_id and day = (old.called_at at time zone 'utc')::date;
  end if;
  if tg_op <> 'DELETE' then
    insert into ssh_key_days as d (ssh_key_id, day, user_id, pictures, usd)
      values (new.ssh_key_id, (new.called_at at time zone 'utc')::date, new.user_id, new.counted_pictures,
        new.counted_usd)
      on conflict (ssh_key_id, day) do update set pictures = d.pictures + excluded.pictures, usd = d.usd + excluded.usd;
  end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.wake_workers()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('work', tg_argv[0]);
  return null;
end
$function$;
CREATE OR REPLACE FUNCTION public.search_text(words text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE WHEN (octet_length(words) = char_length(words)) THEN lower(translate(words, chr(1), ' '::text)) ELSE (SELECT COALESCE(string_agg(CASE WHEN (ascii(letters.letter) < 128) THEN letters.letter ELSE ((chr(1) || to_hex(ascii(letters.letter))) || chr(1)) END, ''::text ORDER BY letters.place), ''::text) AS "coalesce" FROM unnest(string_to_array(regexp_replace(lower(NORMALIZE(translate(search_text.words, chr(1), ' '::text), NFKC)), '[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]'::text, ''::text, 'g'::text), NULL::text)) WITH ORDINALITY letters(letter, place)) END;
CREATE OR REPLACE FUNCTION public.search_pattern(word text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN (('%'::text || regexp_replace(search_text(word), '([\\%_])'::text, '\\\1'::text, 'g'::text)) || '%'::text);
CREATE OR REPLACE FUNCTION public.withdraw_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from exhibits where picture_id = new.id;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.count_like()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op = 'INSERT' then
    update exhibits set likes = likes + 1 where id = new.exhibit_id;
    insert into likes_of_month as m (month, exhibit_id, likes) values (new.month, new.exhibit_id, 1)
      on conflict (exhibit_id, month) do update set likes = m.likes + 1;
  else
    update exhibits set likes = likes - 1 where id = old.exhibit_id;
    update likes_of_month set likes = likes - 1 where exhibit_id = old.exhibit_id and month = old.month;
  end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.reserve_for_picture()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if new.state in ('queued', 'running') and new.called_at is null then
    insert into reservations (kind, subject, user_id, dearest, expected, from_balance, conversation_id, batch_id, created_at)
      values ('picture', new.id, new.user_id, round(new.dearest::numeric, 10),
        round(coalesce(new.estimate, new.dearest, 0)::numeric, 10), new.from_balance, new.conversation_id, new.batch_id,
        new.created_at)
      on conflict (kind, subject) do update set dearest = excluded.dearest, expected = excluded.expected,
        from_balance = excluded.from_balance;
  else
    delete from reservations where kind = 'picture' and subject = new.id;
  end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.reserve_for_answer()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if new.state in ('queued', 'running') and new.called_at is null then
    insert into reservations (kind, subject, user_id, expected, from_balance, conversation_id, created_at)
      values ('answer', new.message_id, new.user_id, round(coalesce(new.expected, 0)::numeric, 10), new.from_balance,
        new.conversation_id, new.created_at)
      on conflict (kind, subject) do update set expected = excluded.expected, from_balance = excluded.from_balance;
  else
    delete from reservations where kind = 'answer' and subject = new.message_id;
  end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.release_picture()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from reservations where kind = 'picture' and subject = old.id;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.release_answer()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  delete from reservations where kind = 'answer' and subject = old.message_id;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.sweep_reservations()
 RETURNS bigint
 LANGUAGE plpgsql
AS $function$
declare
  swept bigint;
begin
  delete from reservations r where not exists (
      select from image_jobs j where r.kind = 'picture' and j.id = r.subject
        and j.state in ('queued', 'running') and j.called_at is null)
    and not exists (
      select from replies a where r.kind = 'answer' and a.message_id = r.subject
        and a.state in ('queued', 'running') and a.called_at is null)
    and not exists (
      select from suggestions s where r.kind = s.kind and s.id = r.subject and s.state = 'asked');
  get diagnostics swept = row_count;
  return swept;
end $function$;
CREATE OR REPLACE FUNCTION public.spend_zone(person bigint)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  return coalesce((select time_zone from accounts where user_id = person), 'UTC');
end $function$;
CREATE OR REPLACE FUNCTION public.count_spend(r record, direction integer)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
declare
  is_settled boolean := r.ended_at is not null and (r.charged = 'no' or (r.charged = 'yes' and r.amount is not null));
  is_unknown boolean := r.ended_at is not null and r.charged = 'unknown';
  is_paid boolean := is_settled and r.charged = 'yes';
  is_unsettled boolean := not is_settled and not is_unknown;
begin
  if r.user_id is null then return; end if;
  perform pg_advisory_xact_lock_shared(743044, hashint8(r.user_id));
  insert into spend_days as d (user_id, day, key_id, key_name, model, kind, ssh_key_id, ssh_key_name, conversation_id,
      calls, usd, settled, guessed_usd, guessed_paid_usd, unsettled, unsettled_usd, unknown, unknown_usd)
    values (r.user_id, (r.called_at at time zone spend_zone(r.user_id))::date, r.key_id, r.key_name, r.model, r.kind,
      r.ssh_key_id, r.ssh_key_name, r.conversation_id, direction,
      direction * case when is_paid then r.amount else 0 end,
      direction * is_settled::integer,
      direction * case when is_paid then coalesce(r.estimate, 0) else 0 end,
      direction * case when is_paid and r.estimate is not null then r.amount else 0 end,
      direction * is_unsettled::integer,
      direction * case when is_unsettled then coalesce(r.estimate, 0) else 0 end,
      direction * is_unknown::integer,
      direction * case when is_unknown then coalesce(r.estimate, 0) else 0 end)
    on conflict (user_id, day, key_id, model, kind, ssh_key_id, conversation_id) do update set
      key_name = coalesce(excluded.key_name, d.key_name), ssh_key_name = coalesce(excluded.ssh_key_name, d.ssh_key_name),
      calls = d.calls + excluded.calls, usd = d.usd + excluded.usd, settled = d.settled + excluded.settled,
      guessed_usd = d.guessed_usd + excluded.guessed_usd,
      guessed_paid_usd = d.guessed_paid_usd + excluded.guessed_paid_usd,
      unsettled = d.unsettled + excluded.unsettled, unsettled_usd = d.unsettled_usd + excluded.unsettled_usd,
      unknown = d.unknown + excluded.unknown, unknown_usd = d.unknown_usd + excluded.unknown_usd;
end $function$;
CREATE OR REPLACE FUNCTION public.count_spend_of_receipt()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op <> 'INSERT' then perform count_spend(old, -1); end if;
  if tg_op <> 'DELETE' then perform count_spend(new, 1); end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.recount_spend(person bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_advisory_xact_lock(743044, hashint8(person));
  delete from spend_days where user_id = person;
  perform count_spend(r, 1) from receipts r where user_id = person;
end $function$;
CREATE OR REPLACE FUNCTION public.recount_spend_of_account()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if spend_zone(new.user_id) is distinct from coalesce(case when tg_op = 'UPDATE' then old.time_zone end, 'UTC') then
    perform recount_spend(new.user_id);
  end if;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.tag_hash(key text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN hashtextextended(key, (0)::bigint);
CREATE OR REPLACE FUNCTION public.tag_hashes(keys text[])
 RETURNS bigint[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN (SELECT COALESCE(array_agg(tag_hash(key.key) ORDER BY key.key), '{}'::bigint[]) AS "coalesce" FROM unnest(tag_hashes.keys) key(key));
CREATE OR REPLACE FUNCTION public.log_judgement()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  insert into operator_acts (at, admin_id, act, user_id, subject, reason)
    values (new.at, new.admin_id, new.did, new.user_id, new.picture_id::text, new.reason);
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.maintenance_now()
 RETURNS TABLE(since timestamp with time zone, until timestamp with time zone)
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_advisory_xact_lock_shared(743055, 0);
  return query select m.since, m.until from maintenance m where m.since is not null;
end $function$;
CREATE OR REPLACE FUNCTION public.tell_bulletin()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  perform pg_notify('work', 'bulletin');
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.look_at_keyless()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  update image_jobs set key_looked_at = 'epoch'
    where user_id = new.user_id and state = 'queued' and key_looked_at is not null;
  return null;
end $function$;
CREATE OR REPLACE FUNCTION public.reserve_for_suggestion()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
  if tg_op <> 'DELETE' and new.state = 'asked' then
    insert into reservations (kind, subject, user_id, expected, from_balance, created_at)
      values (new.kind, new.id, new.user_id, round(coalesce(new.expected, 0), 10), new.from_balance, new.asked_at)
      on conflict (kind, subject) do nothing;
  else
    delete from reservations where kind = old.kind and subject = old.id;
  end if;
  return null;
end $function$;

create table accounts (
  user_id bigint not null,
  balance double precision,
  balance_at timestamp with time zone,
  key_id bigint,
  key_name text,
  key_group text,
  key_allows_images boolean,
  key_prices jsonb,
  key_secret bytea,
  edit_previews boolean,
  key_state jsonb,
  key_checked_at timestamp with time zone,
  other_keys jsonb default '[]'::jsonb not null,
  time_zone text,
  budget_notice jsonb,
  hushed_advice text[] default '{}'::text[] not null,
  honours jsonb default '[]'::jsonb not null,
  key_why text,
  constraint accounts_pkey PRIMARY KEY (user_id),
  constraint accounts_key_why_check CHECK ((key_why = ANY (ARRAY['pictures'::text, 'plan'::text, 'cheapest'::text])))
);

create table agent_tasks (
  job_id uuid not null,
  ssh_key_id uuid not null,
  body_hash bytea not null,
  conversation_id text,
  constraint agent_tasks_pkey PRIMARY KEY (job_id)
);

create table announcement_dismissals (
  announcement_id uuid not null,
  user_id bigint not null,
  constraint announcement_dismissals_pkey PRIMARY KEY (announcement_id, user_id)
);

create table announcements (
  id uuid not null,
  en text not null,
  zh text not null,
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone,
  withdrawn_at timestamp with time zone,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  constraint announcements_pkey PRIMARY KEY (id),
  constraint announcements_check CHECK (((en <> ''::text) OR (zh <> ''::text)))
);

create table budget_overrides (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  reason text not null,
  created_at timestamp with time zone default now() not null,
  expires_at timestamp with time zone not null,
  used_at timestamp with time zone,
  budget text,
  limit_usd numeric,
  used_usd numeric,
  constraint budget_overrides_pkey PRIMARY KEY (id)
);

create table budgets (
  user_id bigint not null,
  per_day numeric,
  per_month numeric,
  per_conversation numeric,
  per_batch numeric,
  changed_at timestamp with time zone default now() not null,
  constraint budgets_pkey PRIMARY KEY (user_id),
  constraint budgets_per_batch_check CHECK ((per_batch >= (0)::numeric)),
  constraint budgets_per_conversation_check CHECK ((per_conversation >= (0)::numeric)),
  constraint budgets_per_day_check CHECK ((per_day >= (0)::numeric)),
  constraint budgets_per_month_check CHECK ((per_month >= (0)::numeric))
);

create table chat_attachments (
  message_id uuid not null,
  "position" integer not null,
  name text not null,
  token text,
  text_id uuid,
  is_preview boolean default false not null,
  constraint chat_attachments_pkey PRIMARY KEY (message_id, "position"),
  constraint chat_attachments_check CHECK ((num_nonnulls(token, text_id) = 1))
);

create table chat_drafts (
  user_id bigint not null,
  place text not null,
  form jsonb not null,
  updated_at timestamp with time zone default now() not null,
  page uuid default gen_random_uuid() not null,
  version bigint generated by default as identity not null,
  offered boolean default true not null,
  constraint chat_drafts_pkey PRIMARY KEY (user_id, place)
);

create table chat_line (
  id uuid default gen_random_uuid() not null,
  number bigint generated always as identity not null,
  conversation_id uuid not null,
  user_id bigint not null,
  after_id uuid,
  submission uuid not null,
  text text not null,
  attachments jsonb not null,
  model text not null,
  effort text,
  sign_in_id uuid,
  caller_address text not null,
  caller_user_agent text not null,
  held jsonb,
  removed_at timestamp with time zone,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  constraint chat_line_user_id_submission_key UNIQUE (user_id, submission),
  constraint chat_line_pkey PRIMARY KEY (id)
);

create table chat_messages (
  id uuid not null,
  conversation_id uuid not null,
  user_id bigint not null,
  parent_id uuid,
  number bigint generated always as identity not null,
  role text not null,
  submission uuid,
  text text default ''::text not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  deleted_at timestamp with time zone,
  constraint chat_messages_user_id_submission_key UNIQUE (user_id, submission),
  constraint chat_messages_pkey PRIMARY KEY (id),
  constraint chat_messages_role_check CHECK ((role = ANY (ARRAY['user'::text, 'assistant'::text, 'tool'::text]))),
  constraint submission_of_a_form CHECK (((role <> 'tool'::text) OR (submission IS NULL)))
);

create table chat_settings (
  user_id bigint not null,
  instructions text default ''::text not null,
  ask_before_paying boolean default true not null,
  list_open boolean default true not null,
  model text,
  effort text,
  constraint chat_settings_pkey PRIMARY KEY (user_id)
);

create table chat_texts (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  name text not null,
  text text not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  constraint chat_texts_pkey PRIMARY KEY (id)
);

create table conversations (
  id uuid not null,
  user_id bigint not null,
  title text not null,
  instructions text default ''::text not null,
  head uuid,
  pinned_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  updated_at timestamp(3) with time zone default clock_timestamp() not null,
  named_at timestamp with time zone,
  deleted_at timestamp(3) with time zone,
  snapshot_key text default replace(((gen_random_uuid())::text || (gen_random_uuid())::text), '-'::text, ''::text) not null,
  constraint conversations_pkey PRIMARY KEY (id)
);

create table departures (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  constraint departures_user_id_key UNIQUE (user_id),
  constraint departures_pkey PRIMARY KEY (id),
  constraint departures_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text])))
);

create table drawn_waiting (
  message_id uuid not null,
  "position" integer not null,
  spilled_by uuid not null,
  heard_at timestamp with time zone default now() not null,
  constraint drawn_waiting_pkey PRIMARY KEY (message_id, "position")
);

create table edit_billing (
  user_id bigint not null,
  key_id bigint not null,
  by_tokens boolean not null,
  seen_at timestamp with time zone default now() not null,
  constraint edit_billing_pkey PRIMARY KEY (user_id, key_id)
);

create table exhibitors (
  user_id bigint not null,
  id uuid default gen_random_uuid() not null,
  name text not null,
  licence text,
  agreed_at timestamp with time zone,
  constraint exhibitors_id_key UNIQUE (id),
  constraint exhibitors_pkey PRIMARY KEY (user_id)
);

create table exhibits (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  picture_id uuid not null,
  token text not null,
  is_listed boolean not null,
  prompt text,
  settings jsonb,
  width integer not null,
  height integer not null,
  has_alpha boolean not null,
  color text not null,
  likes integer default 0 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  expires_at timestamp with time zone,
  hidden_because text,
  search text generated always as (search_text(COALESCE(prompt, ''::text))) stored,
  sha256 bytea not null,
  bare_sha256 bytea,
  constraint exhibits_pkey PRIMARY KEY (id),
  constraint exhibits_check CHECK ((is_listed OR (expires_at IS NULL) OR (expires_at > created_at)))
);

create table export_files (
  export_id uuid not null,
  number integer not null,
  object text not null,
  name text not null,
  bytes bigint not null,
  crc32 bigint,
  sha256 bytea,
  is_missing boolean default false not null,
  facts jsonb not null,
  is_paper boolean default false not null,
  constraint export_files_pkey PRIMARY KEY (export_id, number)
);

create table exports (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  submission uuid not null,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  name text not null,
  total integer not null,
  checked integer default 0 not null,
  bytes bigint not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  expires_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  kind text default 'pictures'::text not null,
  language text default 'en'::text not null,
  constraint exports_user_id_submission_key UNIQUE (user_id, submission),
  constraint exports_pkey PRIMARY KEY (id),
  constraint exports_kind_check CHECK ((kind = ANY (ARRAY['pictures'::text, 'everything'::text]))),
  constraint exports_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'ready'::text, 'failed'::text, 'cancelled'::text])))
);

create table files (
  token text not null,
  user_id bigint not null,
  sha256 bytea not null,
  bytes bigint not null,
  format text not null,
  width integer not null,
  height integer not null,
  has_alpha boolean not null,
  color text not null,
  created_at timestamp with time zone default now() not null,
  original_format text,
  original_bytes bigint,
  constraint files_user_id_sha256_key UNIQUE (user_id, sha256),
  constraint files_pkey PRIMARY KEY (token),
  constraint files_check CHECK (((original_format IS NULL) = (original_bytes IS NULL)))
);

create table folders (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  name text not null,
  key text not null,
  query text,
  cover uuid,
  created_at timestamp with time zone default now() not null,
  constraint folders_user_id_key_key UNIQUE (user_id, key),
  constraint folders_pkey PRIMARY KEY (id)
);

create table gallery_audit (
  id bigint generated always as identity not null,
  at timestamp with time zone default now() not null,
  admin_id bigint,
  did text not null,
  picture_id uuid not null,
  user_id bigint not null,
  reason text not null,
  constraint gallery_audit_pkey PRIMARY KEY (id),
  constraint gallery_audit_did_check CHECK ((did = ANY (ARRAY['hide'::text, 'show'::text, 'dismiss'::text])))
);

create table gallery_blocks (
  user_id bigint not null,
  blocked_id bigint not null,
  constraint gallery_blocks_pkey PRIMARY KEY (user_id, blocked_id)
);

create table gallery_hidden (
  sha256 bytea not null,
  because_of bytea not null,
  constraint gallery_hidden_pkey PRIMARY KEY (sha256)
);

create table gallery_reports (
  exhibit_id uuid not null,
  user_id bigint not null,
  reason text not null,
  words text not null,
  told_at timestamp(3) with time zone default clock_timestamp() not null,
  closed_at timestamp with time zone,
  constraint gallery_reports_pkey PRIMARY KEY (exhibit_id, user_id),
  constraint gallery_reports_reason_check CHECK ((reason = ANY (ARRAY['illegal'::text, 'sexual'::text, 'violence'::text, 'person'::text, 'rights'::text, 'spam'::text, 'other'::text])))
);

create table gallery_share_pictures (
  share_id uuid not null,
  place integer not null,
  picture_id uuid not null,
  exhibit_id uuid,
  before jsonb,
  constraint gallery_share_pictures_pkey PRIMARY KEY (share_id, place)
);

create table gallery_shares (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  is_listed boolean default true not null,
  with_prompt boolean default false not null,
  with_settings boolean default false not null,
  days integer,
  state text default 'asked'::text not null,
  total integer not null,
  done integer default 0 not null,
  left_out integer default 0 not null,
  made_at timestamp with time zone default now() not null,
  version integer default 1 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  constraint gallery_shares_pkey PRIMARY KEY (id),
  constraint gallery_shares_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'queued'::text, 'running'::text, 'done'::text, 'stopped'::text, 'undone'::text])))
);

create table honours (
  user_id bigint not null,
  key_id bigint not null,
  key_group text not null,
  model text not null,
  parameter text not null,
  samples integer not null,
  recent text not null,
  verdict text not null,
  since timestamp with time zone not null,
  asked text not null,
  came text not null,
  constraint honours_pkey PRIMARY KEY (user_id, key_id, key_group, model, parameter),
  constraint honours_parameter_check CHECK ((parameter = ANY (ARRAY['size'::text, 'n'::text, 'quality'::text, 'format'::text, 'background'::text, 'previews'::text]))),
  constraint honours_verdict_check CHECK ((verdict = ANY (ARRAY['unknown'::text, 'honoured'::text, 'changed'::text, 'ignored'::text])))
);

create table image_batches (
  id uuid not null,
  user_id bigint not null,
  submission uuid not null,
  state text default 'running'::text not null,
  version integer default 1 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  constraint image_batches_user_id_submission_key UNIQUE (user_id, submission),
  constraint image_batches_pkey PRIMARY KEY (id),
  constraint image_batches_state_check CHECK ((state = ANY (ARRAY['running'::text, 'paused'::text])))
);

create table image_drafts (
  user_id bigint not null,
  form jsonb not null,
  updated_at timestamp with time zone default now() not null,
  page uuid default gen_random_uuid() not null,
  version integer default 0 not null,
  sent boolean default false not null,
  constraint image_drafts_pkey PRIMARY KEY (user_id)
);

create table image_jobs (
  id uuid not null,
  user_id bigint not null,
  submission uuid not null,
  sign_in_id uuid,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  model text not null,
  prompt text not null,
  size text not null,
  quality text not null,
  n integer not null,
  format text not null,
  compression integer,
  background text not null,
  moderation text not null,
  estimate double precision,
  key_id bigint not null,
  key_secret bytea,
  caller_address text not null,
  caller_user_agent text not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  called_at timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  preview_step integer,
  tokens text[] default '{}'::text[] not null,
  request_id text,
  failure_reason text,
  charged text,
  failure_detail text,
  failure_field text,
  retry_at timestamp with time zone,
  cost double precision,
  cost_until timestamp with time zone,
  reference_tokens text[] default '{}'::text[] not null,
  mask_id uuid,
  ssh_key_id uuid,
  batch_id uuid,
  batch_line integer,
  withdrawn_at timestamp with time zone,
  evidence jsonb,
  form uuid,
  spilled_by uuid,
  made_at timestamp with time zone,
  previews integer,
  waits_for text,
  estimate_stale boolean default false not null,
  unfetched jsonb default '[]'::jsonb not null,
  key_name text,
  key_group text,
  ssh_key_name text,
  conversation_id uuid,
  conversation_title text,
  tells_end boolean default false not null,
  parked_at timestamp with time zone,
  prices jsonb,
  dearest double precision,
  from_balance boolean default true not null,
  dismissed_at timestamp with time zone,
  key_looked_at timestamp with time zone,
  line_rank integer default 0 not null,
  constraint image_jobs_user_id_submission_key UNIQUE (user_id, submission),
  constraint image_jobs_pkey PRIMARY KEY (id),
  constraint image_jobs_check CHECK (((state = ANY (ARRAY['queued'::text, 'running'::text])) = (finished_at IS NULL))),
  constraint image_jobs_check1 CHECK (((state = ANY (ARRAY['queued'::text, 'running'::text])) OR (key_secret IS NULL))),
  constraint image_jobs_check2 CHECK (((state <> 'running'::text) OR ((claim IS NOT NULL) AND (lease_until IS NOT NULL)))),
  constraint image_jobs_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text]))),
  constraint image_jobs_waits_for_check CHECK ((waits_for = ANY (ARRAY['5h'::text, '1d'::text, '7d'::text])))
);

create table image_masks (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  width integer not null,
  height integer not null,
  bytes bytea not null,
  created_at timestamp with time zone default now() not null,
  constraint image_masks_pkey PRIMARY KEY (id)
);

create unlogged table image_previews (
  job_id uuid not null,
  bytes bytea not null,
  constraint image_previews_pkey PRIMARY KEY (job_id)
);

create table image_workers (
  id uuid not null,
  blocked text,
  heard_at timestamp with time zone default now() not null,
  constraint image_workers_pkey PRIMARY KEY (id),
  constraint image_workers_blocked_check CHECK ((blocked = ANY (ARRAY['store'::text, 'spill'::text])))
);

create table import_entries (
  import_id uuid not null,
  number integer not null,
  name text not null,
  outcome text not null,
  reason text,
  picture_id uuid,
  constraint import_entries_pkey PRIMARY KEY (import_id, number),
  constraint import_entries_outcome_check CHECK ((outcome = ANY (ARRAY['added'::text, 'skipped'::text, 'refused'::text])))
);

create table imports (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  name text not null,
  object text not null,
  bytes bigint not null,
  total integer,
  added integer default 0 not null,
  skipped integer default 0 not null,
  refused integer default 0 not null,
  problem text,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  constraint imports_pkey PRIMARY KEY (id),
  constraint imports_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);

create table kept_drafts (
  user_id bigint not null,
  page uuid not null,
  form jsonb not null,
  kept_at timestamp with time zone default now() not null,
  offered boolean default true not null,
  constraint kept_drafts_pkey PRIMARY KEY (user_id, page)
);

create table key_lanes (
  user_id bigint not null,
  key_id bigint not null,
  at_once integer not null,
  learned_at timestamp with time zone default now() not null,
  constraint key_lanes_pkey PRIMARY KEY (user_id, key_id),
  constraint key_lanes_at_once_check CHECK ((at_once > 0))
);

create table library_changed (
  change_id uuid not null,
  picture_id uuid not null,
  favourite boolean not null,
  folder_id uuid,
  tags text[] not null,
  deleted_at timestamp(3) with time zone,
  constraint library_changed_pkey PRIMARY KEY (change_id, picture_id)
);

create table library_changes (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  did text not null,
  made_at timestamp with time zone default now() not null,
  folder_id uuid,
  tags text[],
  count integer default 0 not null,
  state text default 'done'::text not null,
  undoes boolean default false not null,
  total integer default 0 not null,
  done integer default 0 not null,
  through uuid,
  version integer default 1 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  ended_folder jsonb,
  constraint library_changes_pkey PRIMARY KEY (id),
  constraint library_changes_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'stopped'::text, 'undone'::text])))
);

create table likes (
  exhibit_id uuid not null,
  user_id bigint not null,
  month date default date_trunc('month'::text, (now() AT TIME ZONE 'utc'::text)) not null,
  constraint likes_pkey PRIMARY KEY (exhibit_id, user_id)
);

create table likes_of_month (
  month date not null,
  exhibit_id uuid not null,
  likes integer not null,
  constraint likes_of_month_pkey PRIMARY KEY (exhibit_id, month)
);

create table maintenance (
  one boolean default true not null,
  since timestamp with time zone,
  until timestamp with time zone,
  constraint maintenance_pkey PRIMARY KEY (one),
  constraint maintenance_one_check CHECK (one)
);

create table migrations (
  name text not null,
  applied_at timestamp with time zone default now() not null,
  sha256 text not null,
  serves text,
  constraint migrations_pkey PRIMARY KEY (name)
);

create table named_files (
  token text not null,
  named_at timestamp with time zone default now() not null,
  constraint named_files_pkey PRIMARY KEY (token)
);

create table news (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  topic text not null,
  subject uuid not null,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  parked_at timestamp with time zone,
  constraint news_pkey PRIMARY KEY (id),
  constraint news_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text]))),
  constraint news_topic_check CHECK ((topic = ANY (ARRAY['picture-ended'::text, 'answer-ended'::text, 'conversation-changed'::text, 'suggestion-asked'::text])))
);

create table operator_acts (
  id bigint generated always as identity not null,
  at timestamp(3) with time zone default clock_timestamp() not null,
  admin_id bigint,
  act text not null,
  user_id bigint,
  subject text,
  reason text default ''::text not null,
  count integer,
  constraint operator_acts_pkey PRIMARY KEY (id)
);

create unlogged table panel_calls (
  user_id bigint not null,
  minute timestamp with time zone not null,
  calls integer not null,
  usage_calls integer not null,
  constraint panel_calls_pkey PRIMARY KEY (user_id)
);

create table pictures (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  token text not null,
  job_id uuid,
  "position" integer default 0 not null,
  model text not null,
  prompt text not null,
  requested_size text not null,
  quality text not null,
  favourite boolean default false not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  deleted_at timestamp(3) with time zone,
  origin text default 'made'::text not null,
  source_tokens text[] default '{}'::text[] not null,
  changed_outside real,
  composed_from uuid,
  condition text default 'whole'::text not null,
  width integer not null,
  height integer not null,
  bytes bigint not null,
  asked jsonb,
  returned jsonb default '{}'::jsonb not null,
  revised_prompt text default ''::text not null,
  cost double precision,
  folder_id uuid,
  tags text[] default '{}'::text[] not null,
  is_copy boolean default false not null,
  search text generated always as (search_text(((prompt || '
'::text) || revised_prompt))) stored not null,
  imported jsonb,
  tag_hashes bigint[] generated always as (tag_hashes(tags)) stored not null,
  derived jsonb,
  constraint pictures_job_id_position_key UNIQUE (job_id, "position"),
  constraint pictures_pkey PRIMARY KEY (id),
  constraint pictures_condition_check CHECK ((condition = ANY (ARRAY['whole'::text, 'preview'::text, 'incomplete'::text, 'undecodable'::text]))),
  constraint pictures_origin_check CHECK ((origin = ANY (ARRAY['made'::text, 'uploaded'::text, 'composed'::text])))
);

create unlogged table processes (
  id uuid not null,
  role text not null,
  version text not null,
  host text not null,
  started_at timestamp with time zone not null,
  heard_at timestamp with time zone default now() not null,
  constraint processes_pkey PRIMARY KEY (id)
);

create unlogged table rate_limits (
  key text not null,
  points integer default 0 not null,
  expire bigint,
  constraint rate_limits_pkey PRIMARY KEY (key)
);

create table receipts (
  id uuid default gen_random_uuid() not null,
  user_id bigint,
  sign_in_id uuid,
  kind text not null,
  subject uuid not null,
  key_id bigint,
  model text not null,
  request_id text,
  called_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  works_until timestamp with time zone,
  look_at timestamp with time zone,
  looks integer default 0 not null,
  usage_id bigint,
  amount numeric,
  evidence jsonb,
  charged text default 'unknown'::text not null,
  key_name text,
  key_group text,
  asked jsonb default '{}'::jsonb not null,
  estimate numeric,
  delivered jsonb,
  billed_by text,
  billed_tier text,
  billed_count integer,
  billed_rate numeric,
  conversation_id uuid,
  conversation_title text,
  batch_id uuid,
  ssh_key_id uuid,
  ssh_key_name text,
  counted_usd numeric generated always as (
CASE
    WHEN (charged = 'no'::text) THEN (0)::numeric
    ELSE COALESCE(amount, estimate, (0)::numeric)
END) stored not null,
  counted_pictures integer generated always as (
CASE
    WHEN (charged = 'no'::text) THEN 0
    ELSE COALESCE(((asked ->> 'n'::text))::integer, 0)
END) stored not null,
  prices jsonb,
  reason text,
  held numeric,
  is_bounded boolean default true not null,
  from_balance boolean default true not null,
  at_most_usd numeric generated always as (
CASE
    WHEN (charged = 'no'::text) THEN (0)::numeric
    ELSE COALESCE(amount, held, estimate, (0)::numeric)
END) stored not null,
  previews_came integer,
  constraint receipts_user_id_usage_id_key UNIQUE (user_id, usage_id),
  constraint receipts_pkey PRIMARY KEY (id),
  constraint receipts_billed_by_check CHECK ((billed_by = ANY (ARRAY['picture'::text, 'tokens'::text]))),
  constraint receipts_charged_check CHECK ((charged = ANY (ARRAY['yes'::text, 'no'::text, 'unknown'::text]))),
  constraint receipts_kind_check CHECK ((kind = ANY (ARRAY['picture'::text, 'answer'::text, 'title'::text, 'improve'::text, 'describe'::text])))
);

create table replies (
  message_id uuid not null,
  conversation_id uuid not null,
  user_id bigint not null,
  sign_in_id uuid,
  state text default 'queued'::text not null,
  version integer default 1 not null,
  purpose text not null,
  model text not null,
  effort text,
  key_id bigint,
  key_secret bytea,
  caller_address text not null,
  caller_user_agent text not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  not_before timestamp with time zone,
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  attempts integer default 0 not null,
  claim uuid,
  lease_until timestamp with time zone,
  called_at timestamp with time zone,
  cancel_requested_at timestamp with time zone,
  text text default ''::text not null,
  reasoning text default ''::text not null,
  html text,
  cut_by text,
  input_tokens integer,
  cached_tokens integer,
  output_tokens integer,
  reasoning_tokens integer,
  request_id text,
  failure_reason text,
  charged text,
  failure_detail text,
  retry_at timestamp with time zone,
  cost double precision,
  evidence jsonb,
  waits_for text,
  key_name text,
  key_group text,
  parked_at timestamp with time zone,
  expected double precision,
  from_balance boolean default true not null,
  constraint replies_pkey PRIMARY KEY (message_id),
  constraint replies_check CHECK (((state = ANY (ARRAY['queued'::text, 'running'::text])) = (finished_at IS NULL))),
  constraint replies_check1 CHECK (((state = ANY (ARRAY['queued'::text, 'running'::text])) OR (key_secret IS NULL))),
  constraint replies_check2 CHECK (((state <> 'running'::text) OR ((claim IS NOT NULL) AND (lease_until IS NOT NULL)))),
  constraint replies_purpose_check CHECK ((purpose = ANY (ARRAY['answer'::text, 'close'::text]))),
  constraint replies_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'failed'::text, 'unknown'::text, 'stopped'::text]))),
  constraint replies_waits_for_check CHECK ((waits_for = ANY (ARRAY['5h'::text, '1d'::text, '7d'::text])))
);

create table reply_deltas (
  message_id uuid not null,
  seq integer not null,
  kind text not null,
  text text not null,
  constraint reply_deltas_pkey PRIMARY KEY (message_id, seq),
  constraint reply_deltas_kind_check CHECK ((kind = ANY (ARRAY['text'::text, 'reasoning'::text])))
);

create table reservations (
  kind text not null,
  subject uuid not null,
  user_id bigint not null,
  dearest numeric,
  expected numeric not null,
  from_balance boolean not null,
  conversation_id uuid,
  batch_id uuid,
  created_at timestamp with time zone not null,
  constraint reservations_pkey PRIMARY KEY (kind, subject),
  constraint reservations_kind_check CHECK ((kind = ANY (ARRAY['picture'::text, 'answer'::text, 'improve'::text, 'describe'::text])))
);

create table saved_prompts (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  name text not null,
  form jsonb not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  constraint saved_prompts_pkey PRIMARY KEY (id)
);

create table sessions (
  sid text not null,
  sess jsonb not null,
  expire timestamp with time zone not null,
  constraint sessions_pkey PRIMARY KEY (sid)
);

create table sign_ins (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  access_token bytea not null,
  renew_at timestamp with time zone not null,
  refresh_token bytea,
  token_version integer default 1 not null,
  refreshing_until timestamp with time zone,
  address text not null,
  user_agent text not null,
  created_at timestamp with time zone default now() not null,
  last_seen_at timestamp with time zone default now() not null,
  constraint sign_ins_pkey PRIMARY KEY (id)
);

create table spend_days (
  user_id bigint not null,
  day date not null,
  key_id bigint,
  key_name text,
  model text not null,
  kind text not null,
  ssh_key_id uuid,
  ssh_key_name text,
  conversation_id uuid,
  calls integer not null,
  usd numeric not null,
  settled integer not null,
  guessed_usd numeric not null,
  guessed_paid_usd numeric not null,
  unsettled integer not null,
  unsettled_usd numeric not null,
  unknown integer not null,
  unknown_usd numeric not null,
  constraint spend_days_user_id_day_key_id_model_kind_ssh_key_id_convers_key UNIQUE NULLS NOT DISTINCT (user_id, day, key_id, model, kind, ssh_key_id, conversation_id)
);

create table ssh_challenges (
  hash bytea not null,
  ssh_key_id uuid not null,
  created_at timestamp with time zone default clock_timestamp() not null,
  constraint ssh_challenges_pkey PRIMARY KEY (hash)
);

create table ssh_key_days (
  ssh_key_id uuid not null,
  day date not null,
  user_id bigint not null,
  pictures integer not null,
  usd numeric not null,
  constraint ssh_key_days_pkey PRIMARY KEY (ssh_key_id, day)
);

create table ssh_keys (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  name text not null,
  type text not null,
  blob bytea not null,
  fingerprint text not null,
  key_id bigint not null,
  key_name text not null,
  key_group text,
  key_allows_images boolean not null,
  key_prices jsonb,
  key_checked_at timestamp with time zone default now() not null,
  key_secret bytea,
  pictures_per_day integer,
  jobs_at_once integer,
  sizes text[],
  qualities text[],
  spend_per_day numeric(12,4),
  spend_total numeric(12,4),
  proof_nonce text,
  proof_text text,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  proved_at timestamp with time zone,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  key_state jsonb,
  constraint ssh_keys_proof_nonce_key UNIQUE (proof_nonce),
  constraint ssh_keys_pkey PRIMARY KEY (id),
  constraint ssh_keys_check CHECK (((revoked_at IS NOT NULL) OR (key_secret IS NOT NULL)))
);

create table ssh_tokens (
  id uuid default gen_random_uuid() not null,
  hash bytea not null,
  ssh_key_id uuid not null,
  address text not null,
  user_agent text not null,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  expires_at timestamp with time zone not null,
  last_used_at timestamp with time zone,
  constraint ssh_tokens_hash_key UNIQUE (hash),
  constraint ssh_tokens_pkey PRIMARY KEY (id)
);

create table suggestions (
  id uuid default gen_random_uuid() not null,
  user_id bigint not null,
  sign_in_id uuid,
  kind text not null,
  language text not null,
  form jsonb not null,
  token text,
  state text default 'open'::text not null,
  model text,
  key_id bigint,
  key_name text,
  key_group text,
  from_balance boolean default true not null,
  expected numeric,
  caller_address text,
  caller_user_agent text,
  text text,
  failure_reason text,
  refusal jsonb,
  created_at timestamp(3) with time zone default clock_timestamp() not null,
  asked_at timestamp(3) with time zone,
  finished_at timestamp(3) with time zone,
  constraint suggestions_pkey PRIMARY KEY (id),
  constraint suggestions_kind_check CHECK ((kind = ANY (ARRAY['improve'::text, 'describe'::text]))),
  constraint suggestions_state_check CHECK ((state = ANY (ARRAY['open'::text, 'asked'::text, 'called'::text, 'done'::text, 'failed'::text, 'unknown'::text])))
);

create table tags (
  user_id bigint not null,
  key text not null,
  name text not null,
  constraint tags_pkey PRIMARY KEY (user_id, key)
);

create table tool_calls (
  message_id uuid not null,
  conversation_id uuid not null,
  user_id bigint not null,
  state text not null,
  version integer default 1 not null,
  call_id text not null,
  name text not null,
  arguments text not null,
  problem text,
  prompt text default ''::text not null,
  size text default ''::text not null,
  n integer default 1 not null,
  sources text[] default '{}'::text[] not null,
  job_id uuid,
  output text,
  constraint tool_calls_pkey PRIMARY KEY (message_id),
  constraint tool_calls_state_check CHECK ((state = ANY (ARRAY['asked'::text, 'painting'::text, 'done'::text, 'failed'::text, 'declined'::text, 'refused'::text])))
);

create table users (
  id bigint not null,
  email text not null,
  name text not null,
  role text not null,
  created_at timestamp with time zone default now() not null,
  signed_in_at timestamp with time zone default now() not null,
  leaving_at timestamp with time zone,
  constraint users_pkey PRIMARY KEY (id)
);

create table window_tickets (
  hash bytea not null,
  sign_in_id uuid not null,
  path text not null,
  expires_at timestamp with time zone not null,
  constraint window_tickets_pkey PRIMARY KEY (hash)
);

alter table accounts add constraint accounts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table agent_tasks add constraint agent_tasks_ssh_key_id_fkey FOREIGN KEY (ssh_key_id) REFERENCES ssh_keys(id) ON DELETE CASCADE;
alter table announcement_dismissals add constraint announcement_dismissals_announcement_id_fkey FOREIGN KEY (announcement_id) REFERENCES announcements(id) ON DELETE CASCADE;
alter table announcement_dismissals add constraint announcement_dismissals_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table budget_overrides add constraint budget_overrides_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table budgets add constraint budgets_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table chat_attachments add constraint chat_attachments_message_id_fkey FOREIGN KEY (message_id) REFERENCES chat_messages(id) ON DELETE CASCADE;
alter table chat_attachments add constraint chat_attachments_text_id_fkey FOREIGN KEY (text_id) REFERENCES chat_texts(id);
alter table chat_drafts add constraint chat_drafts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table chat_line add constraint chat_line_after_id_fkey FOREIGN KEY (after_id) REFERENCES chat_messages(id) ON DELETE SET NULL;
alter table chat_line add constraint chat_line_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE;
alter table chat_line add constraint chat_line_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table chat_messages add constraint chat_messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE;
alter table chat_messages add constraint chat_messages_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES chat_messages(id) ON DELETE CASCADE;
alter table chat_messages add constraint chat_messages_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table chat_settings add constraint chat_settings_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table chat_texts add constraint chat_texts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table conversations add constraint conversations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table drawn_waiting add constraint drawn_waiting_message_id_fkey FOREIGN KEY (message_id) REFERENCES chat_messages(id) ON DELETE CASCADE;
alter table edit_billing add constraint edit_billing_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table exhibitors add constraint exhibitors_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table exhibits add constraint exhibits_picture_id_fkey FOREIGN KEY (picture_id) REFERENCES pictures(id) ON DELETE CASCADE;
alter table exhibits add constraint exhibits_user_id_fkey FOREIGN KEY (user_id) REFERENCES exhibitors(user_id) ON DELETE CASCADE;
alter table export_files add constraint export_files_export_id_fkey FOREIGN KEY (export_id) REFERENCES exports(id) ON DELETE CASCADE;
alter table exports add constraint exports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table files add constraint files_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table folders add constraint folders_cover_fkey FOREIGN KEY (cover) REFERENCES pictures(id) ON DELETE SET NULL;
alter table folders add constraint folders_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table gallery_blocks add constraint gallery_blocks_blocked_id_fkey FOREIGN KEY (blocked_id) REFERENCES exhibitors(user_id) ON DELETE CASCADE;
alter table gallery_blocks add constraint gallery_blocks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table gallery_reports add constraint gallery_reports_exhibit_id_fkey FOREIGN KEY (exhibit_id) REFERENCES exhibits(id) ON DELETE CASCADE;
alter table gallery_reports add constraint gallery_reports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table gallery_share_pictures add constraint gallery_share_pictures_share_id_fkey FOREIGN KEY (share_id) REFERENCES gallery_shares(id) ON DELETE CASCADE;
alter table gallery_shares add constraint gallery_shares_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table honours add constraint honours_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table image_batches add constraint image_batches_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table image_drafts add constraint image_drafts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table image_jobs add constraint image_jobs_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES image_batches(id) ON DELETE SET NULL;
alter table image_jobs add constraint image_jobs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table image_masks add constraint image_masks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table import_entries add constraint import_entries_import_id_fkey FOREIGN KEY (import_id) REFERENCES imports(id) ON DELETE CASCADE;
alter table imports add constraint imports_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table kept_drafts add constraint kept_drafts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table key_lanes add constraint key_lanes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table library_changed add constraint library_changed_change_id_fkey FOREIGN KEY (change_id) REFERENCES library_changes(id) ON DELETE CASCADE;
alter table library_changes add constraint library_changes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table likes add constraint likes_exhibit_id_fkey FOREIGN KEY (exhibit_id) REFERENCES exhibits(id) ON DELETE CASCADE;
alter table likes add constraint likes_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table likes_of_month add constraint likes_of_month_exhibit_id_fkey FOREIGN KEY (exhibit_id) REFERENCES exhibits(id) ON DELETE CASCADE;
alter table news add constraint news_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table pictures add constraint pictures_folder_id_fkey FOREIGN KEY (folder_id) REFERENCES folders(id) ON DELETE SET NULL;
alter table pictures add constraint pictures_token_fkey FOREIGN KEY (token) REFERENCES files(token);
alter table pictures add constraint pictures_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table receipts add constraint receipts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table replies add constraint replies_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE;
alter table replies add constraint replies_message_id_fkey FOREIGN KEY (message_id) REFERENCES chat_messages(id) ON DELETE CASCADE;
alter table replies add constraint replies_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table reply_deltas add constraint reply_deltas_message_id_fkey FOREIGN KEY (message_id) REFERENCES replies(message_id) ON DELETE CASCADE;
alter table reservations add constraint reservations_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table saved_prompts add constraint saved_prompts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table sign_ins add constraint sign_ins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table spend_days add constraint spend_days_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table ssh_challenges add constraint ssh_challenges_ssh_key_id_fkey FOREIGN KEY (ssh_key_id) REFERENCES ssh_keys(id) ON DELETE CASCADE;
alter table ssh_key_days add constraint ssh_key_days_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table ssh_keys add constraint ssh_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table ssh_tokens add constraint ssh_tokens_ssh_key_id_fkey FOREIGN KEY (ssh_key_id) REFERENCES ssh_keys(id) ON DELETE CASCADE;
alter table suggestions add constraint suggestions_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table tags add constraint tags_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table tool_calls add constraint tool_calls_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE;
alter table tool_calls add constraint tool_calls_message_id_fkey FOREIGN KEY (message_id) REFERENCES chat_messages(id) ON DELETE CASCADE;
alter table tool_calls add constraint tool_calls_user_id_fkey FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;
alter table window_tickets add constraint window_tickets_sign_in_id_fkey FOREIGN KEY (sign_in_id) REFERENCES sign_ins(id) ON DELETE CASCADE;

CREATE INDEX agent_tasks_of_key ON public.agent_tasks USING btree (ssh_key_id);
CREATE INDEX announcement_dismissals_of_user ON public.announcement_dismissals USING btree (user_id);
CREATE INDEX announcements_standing ON public.announcements USING btree (starts_at) WHERE (withdrawn_at IS NULL);
CREATE INDEX budget_overrides_of_user ON public.budget_overrides USING btree (user_id, created_at DESC);
CREATE UNIQUE INDEX budget_overrides_open ON public.budget_overrides USING btree (user_id) WHERE (used_at IS NULL);
CREATE INDEX chat_attachments_by_text ON public.chat_attachments USING btree (text_id);
CREATE INDEX chat_attachments_by_token ON public.chat_attachments USING btree (token);
CREATE INDEX chat_line_after ON public.chat_line USING btree (after_id) WHERE (after_id IS NOT NULL);
CREATE INDEX chat_line_of_conversation ON public.chat_line USING btree (conversation_id, number);
CREATE INDEX chat_messages_below ON public.chat_messages USING btree (conversation_id, parent_id, number);
CREATE INDEX chat_messages_by_parent ON public.chat_messages USING btree (parent_id) WHERE (parent_id IS NOT NULL);
CREATE INDEX chat_messages_deleted ON public.chat_messages USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX chat_texts_of_user ON public.chat_texts USING btree (user_id);
CREATE INDEX conversations_deleted ON public.conversations USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);
CREATE INDEX conversations_of_user ON public.conversations USING btree (user_id, updated_at DESC, id DESC) WHERE (deleted_at IS NULL);
CREATE INDEX drawn_waiting_by_spill ON public.drawn_waiting USING btree (spilled_by);
CREATE INDEX exhibitors_search ON public.exhibitors USING gin (search_text(name) gin_trgm_ops);
CREATE INDEX exhibits_by_bare ON public.exhibits USING btree (bare_sha256);
CREATE INDEX exhibits_by_bytes ON public.exhibits USING btree (sha256);
CREATE INDEX exhibits_by_picture ON public.exhibits USING btree (picture_id);
CREATE INDEX exhibits_by_user ON public.exhibits USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX exhibits_liked ON public.exhibits USING btree (likes DESC, id DESC) WHERE (is_listed AND (hidden_because IS NULL));
CREATE INDEX exhibits_newest ON public.exhibits USING btree (created_at DESC, id DESC) WHERE (is_listed AND (hidden_because IS NULL));
CREATE INDEX exhibits_not_bare ON public.exhibits USING btree (token) WHERE (bare_sha256 IS NULL);
CREATE UNIQUE INDEX exhibits_once ON public.exhibits USING btree (picture_id) WHERE is_listed;
CREATE INDEX exhibits_search ON public.exhibits USING gin (search gin_trgm_ops) WHERE (is_listed AND (hidden_because IS NULL));
CREATE INDEX export_files_unchecked ON public.export_files USING btree (export_id, number) WHERE ((crc32 IS NULL) AND (NOT is_missing));
CREATE INDEX exports_by_user ON public.exports USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX exports_waiting ON public.exports USING btree (created_at) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX files_use ON public.files USING btree (user_id, token) INCLUDE (bytes, original_bytes);
CREATE INDEX folders_by_cover ON public.folders USING btree (cover) WHERE (cover IS NOT NULL);
CREATE INDEX gallery_audit_by_picture ON public.gallery_audit USING btree (picture_id, id DESC);
CREATE INDEX gallery_hidden_by_cause ON public.gallery_hidden USING btree (because_of);
CREATE INDEX gallery_reports_open ON public.gallery_reports USING btree (told_at) WHERE (closed_at IS NULL);
CREATE INDEX gallery_shares_by_age ON public.gallery_shares USING btree (made_at);
CREATE INDEX gallery_shares_by_user ON public.gallery_shares USING btree (user_id, created_at);
CREATE INDEX image_jobs_by_mask ON public.image_jobs USING btree (mask_id) WHERE (mask_id IS NOT NULL);
CREATE INDEX image_jobs_by_reference ON public.image_jobs USING gin (reference_tokens) WHERE (reference_tokens <> '{}'::text[]);
CREATE INDEX image_jobs_dismissed ON public.image_jobs USING btree (user_id, dismissed_at) WHERE (dismissed_at IS NOT NULL);
CREATE INDEX image_jobs_failed ON public.image_jobs USING btree (finished_at) WHERE (state = ANY (ARRAY['failed'::text, 'unknown'::text]));
CREATE INDEX image_jobs_keyless ON public.image_jobs USING btree (user_id) WHERE ((state = 'queued'::text) AND (key_looked_at IS NOT NULL));
CREATE INDEX image_jobs_leased ON public.image_jobs USING btree (lease_until) WHERE (lease_until IS NOT NULL);
CREATE INDEX image_jobs_of_batch ON public.image_jobs USING btree (batch_id, batch_line) WHERE (batch_id IS NOT NULL);
CREATE INDEX image_jobs_of_conversation ON public.image_jobs USING btree (conversation_id) WHERE (conversation_id IS NOT NULL);
CREATE INDEX image_jobs_of_ssh_key ON public.image_jobs USING btree (ssh_key_id, created_at DESC, id DESC) WHERE (ssh_key_id IS NOT NULL);
CREATE INDEX image_jobs_of_ssh_key_unfinished ON public.image_jobs USING btree (ssh_key_id) WHERE ((ssh_key_id IS NOT NULL) AND (state = ANY (ARRAY['queued'::text, 'running'::text])));
CREATE INDEX image_jobs_of_user ON public.image_jobs USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX image_jobs_search ON public.image_jobs USING gin (user_id, search_text(prompt) gin_trgm_ops) WITH (gin_pending_list_limit='256');
CREATE INDEX image_jobs_served ON public.image_jobs USING btree (user_id, finished_at) WHERE ((finished_at IS NOT NULL) AND (called_at IS NOT NULL));
CREATE INDEX image_jobs_silent ON public.image_jobs USING btree (finished_at) WHERE ((failure_reason = ANY (ARRAY['timeout'::text, 'gateway_down'::text])) AND (reference_tokens <> '{}'::text[]) AND (previews = 0));
CREATE INDEX image_jobs_spilled ON public.image_jobs USING btree (spilled_by) WHERE (spilled_by IS NOT NULL);
CREATE INDEX image_jobs_told ON public.image_jobs USING btree (key_id, retry_at) WHERE (retry_at IS NOT NULL);
CREATE INDEX image_jobs_unfinished ON public.image_jobs USING btree (state, user_id, created_at, id) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX image_jobs_windows ON public.image_jobs USING btree (key_id) WHERE ((state = 'queued'::text) AND (waits_for IS NOT NULL));
CREATE INDEX image_masks_by_age ON public.image_masks USING btree (created_at);
CREATE INDEX imports_by_user ON public.imports USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX imports_waiting ON public.imports USING btree (created_at) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX library_changes_by_age ON public.library_changes USING btree (made_at);
CREATE INDEX library_changes_by_user ON public.library_changes USING btree (user_id);
CREATE INDEX library_changes_under_way ON public.library_changes USING btree (user_id, created_at) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX likes_by_user ON public.likes USING btree (user_id);
CREATE INDEX likes_of_month_most ON public.likes_of_month USING btree (month, likes DESC, exhibit_id DESC);
CREATE INDEX news_by_lease ON public.news USING btree (lease_until) WHERE (lease_until IS NOT NULL);
CREATE INDEX news_in_line ON public.news USING btree (created_at) WHERE (state = 'queued'::text);
CREATE INDEX operator_acts_of_admin ON public.operator_acts USING btree (admin_id);
CREATE INDEX operator_acts_of_user ON public.operator_acts USING btree (user_id) WHERE (user_id IS NOT NULL);
CREATE INDEX pictures_by_file ON public.pictures USING btree (token);
CREATE INDEX pictures_by_folder ON public.pictures USING btree (folder_id, created_at DESC, id DESC) WHERE (folder_id IS NOT NULL);
CREATE INDEX pictures_by_source ON public.pictures USING gin (source_tokens) WHERE (source_tokens <> '{}'::text[]);
CREATE INDEX pictures_by_tag ON public.pictures USING gin (user_id, tag_hashes) WHERE ((deleted_at IS NULL) AND (NOT is_copy));
CREATE UNIQUE INDEX pictures_composed ON public.pictures USING btree (composed_from) WHERE (composed_from IS NOT NULL);
CREATE INDEX pictures_deleted ON public.pictures USING btree (user_id, deleted_at DESC, id DESC) WHERE (deleted_at IS NOT NULL);
CREATE INDEX pictures_favourite ON public.pictures USING btree (user_id, created_at DESC, id DESC) WHERE (favourite AND (deleted_at IS NULL) AND (NOT is_copy));
CREATE INDEX pictures_listed ON public.pictures USING btree (user_id, created_at DESC, id DESC) INCLUDE (origin, favourite, folder_id, model, quality, width, height, bytes, cost, tag_hashes) WHERE ((deleted_at IS NULL) AND (NOT is_copy));
CREATE INDEX pictures_search ON public.pictures USING gin (user_id, search gin_trgm_ops) WITH (gin_pending_list_limit='256') WHERE ((deleted_at IS NULL) AND (NOT is_copy));
CREATE INDEX pictures_shown ON public.pictures USING btree (user_id, created_at DESC, id DESC) WHERE ((deleted_at IS NULL) AND (NOT is_copy) AND (origin <> 'uploaded'::text));
CREATE INDEX pictures_uploaded ON public.pictures USING btree (user_id, created_at DESC, id DESC) WHERE ((deleted_at IS NULL) AND (NOT is_copy) AND (origin = 'uploaded'::text));
CREATE INDEX pictures_use ON public.pictures USING btree (user_id, token) INCLUDE (origin, deleted_at);
CREATE INDEX rate_limits_by_expiry ON public.rate_limits USING btree (expire);
CREATE INDEX receipts_by_request ON public.receipts USING btree (user_id, request_id) WHERE (request_id IS NOT NULL);
CREATE INDEX receipts_counted ON public.receipts USING btree (user_id, called_at) INCLUDE (at_most_usd);
CREATE INDEX receipts_counted_of_all ON public.receipts USING btree (called_at) INCLUDE (at_most_usd);
CREATE INDEX receipts_due ON public.receipts USING btree (look_at) WHERE (look_at IS NOT NULL);
CREATE INDEX receipts_lately ON public.receipts USING btree (user_id, model, called_at DESC) WHERE ((kind = 'picture'::text) AND (charged = 'yes'::text) AND (reason IS NULL) AND (ended_at IS NOT NULL));
CREATE INDEX receipts_of_conversation ON public.receipts USING btree (conversation_id, called_at DESC) WHERE (conversation_id IS NOT NULL);
CREATE INDEX receipts_of_subject ON public.receipts USING btree (kind, subject, called_at DESC);
CREATE INDEX receipts_of_user ON public.receipts USING btree (user_id, called_at DESC, id DESC);
CREATE INDEX receipts_open ON public.receipts USING btree (user_id) WHERE ((amount IS NULL) AND (charged <> 'no'::text) AND ((ended_at IS NULL) OR (look_at IS NOT NULL)));
CREATE UNIQUE INDEX receipts_under_way ON public.receipts USING btree (kind, subject) WHERE (ended_at IS NULL);
CREATE INDEX receipts_without_row ON public.receipts USING btree (user_id, key_id) WHERE ((usage_id IS NULL) AND (charged <> 'no'::text));
CREATE INDEX replies_failed ON public.replies USING btree (finished_at) WHERE (state = ANY (ARRAY['failed'::text, 'unknown'::text]));
CREATE INDEX replies_of_conversation ON public.replies USING btree (conversation_id);
CREATE INDEX replies_unfinished ON public.replies USING btree (state, user_id, created_at) WHERE (state = ANY (ARRAY['queued'::text, 'running'::text]));
CREATE INDEX reservations_of_user ON public.reservations USING btree (user_id, created_at, subject);
CREATE INDEX saved_prompts_of_user ON public.saved_prompts USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX sessions_by_expiry ON public.sessions USING btree (expire);
CREATE INDEX sign_ins_of_user ON public.sign_ins USING btree (user_id, last_seen_at DESC);
CREATE INDEX spend_days_by_day ON public.spend_days USING btree (day);
CREATE INDEX ssh_challenges_by_age ON public.ssh_challenges USING btree (created_at);
CREATE INDEX ssh_keys_of_user ON public.ssh_keys USING btree (user_id, created_at DESC);
CREATE UNIQUE INDEX ssh_keys_once_per_user ON public.ssh_keys USING btree (user_id, fingerprint) WHERE (revoked_at IS NULL);
CREATE UNIQUE INDEX ssh_keys_proved ON public.ssh_keys USING btree (fingerprint) WHERE ((proved_at IS NOT NULL) AND (revoked_at IS NULL));
CREATE INDEX ssh_tokens_by_expiry ON public.ssh_tokens USING btree (expires_at);
CREATE INDEX ssh_tokens_of_key ON public.ssh_tokens USING btree (ssh_key_id, created_at DESC);
CREATE INDEX suggestions_of_user ON public.suggestions USING btree (user_id, created_at DESC, id DESC);
CREATE INDEX suggestions_unfinished ON public.suggestions USING btree (created_at) WHERE (state = ANY (ARRAY['open'::text, 'asked'::text]));
CREATE INDEX tags_by_hash ON public.tags USING btree (user_id, tag_hash(key));
CREATE INDEX tool_calls_of_conversation ON public.tool_calls USING btree (conversation_id);
CREATE INDEX tool_calls_painting ON public.tool_calls USING btree (job_id) WHERE (state = 'painting'::text);
CREATE INDEX users_by_sign_in ON public.users USING btree (date_trunc('milliseconds'::text, (signed_in_at AT TIME ZONE 'utc'::text)) DESC, id DESC);
CREATE INDEX window_tickets_by_expiry ON public.window_tickets USING btree (expires_at);
CREATE INDEX window_tickets_of_sign_in ON public.window_tickets USING btree (sign_in_id);

CREATE TRIGGER look_at_keyless AFTER UPDATE ON public.accounts FOR EACH ROW WHEN (((old.key_id IS DISTINCT FROM new.key_id) OR ((old.key_state -> 'problem'::text) IS DISTINCT FROM (new.key_state -> 'problem'::text)))) EXECUTE FUNCTION look_at_keyless();
CREATE TRIGGER spend_zone_new AFTER INSERT OR UPDATE OF time_zone ON public.accounts FOR EACH ROW EXECUTE FUNCTION recount_spend_of_account();
CREATE TRIGGER announcements_told AFTER INSERT OR DELETE OR UPDATE ON public.announcements FOR EACH STATEMENT EXECUTE FUNCTION tell_bulletin();
CREATE TRIGGER wake_for_departures AFTER INSERT OR UPDATE ON public.departures FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('departure');
CREATE TRIGGER wake_for_exports AFTER INSERT OR UPDATE ON public.exports FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('export');
CREATE TRIGGER gallery_audit_logged AFTER INSERT ON public.gallery_audit FOR EACH ROW EXECUTE FUNCTION log_judgement();
CREATE TRIGGER wake_for_shares AFTER INSERT OR UPDATE ON public.gallery_shares FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('share');
CREATE TRIGGER release_gone AFTER DELETE ON public.image_jobs FOR EACH ROW WHEN ((old.state = ANY (ARRAY['queued'::text, 'running'::text]))) EXECUTE FUNCTION release_picture();
CREATE TRIGGER reserve_changed AFTER UPDATE ON public.image_jobs FOR EACH ROW WHEN (((((old.state = ANY (ARRAY['queued'::text, 'running'::text])) AND (old.called_at IS NULL)) IS DISTINCT FROM ((new.state = ANY (ARRAY['queued'::text, 'running'::text])) AND (new.called_at IS NULL))) OR (old.dearest IS DISTINCT FROM new.dearest) OR (old.estimate IS DISTINCT FROM new.estimate) OR (old.from_balance IS DISTINCT FROM new.from_balance))) EXECUTE FUNCTION reserve_for_picture();
CREATE TRIGGER reserve_new AFTER INSERT ON public.image_jobs FOR EACH ROW WHEN ((new.state = ANY (ARRAY['queued'::text, 'running'::text]))) EXECUTE FUNCTION reserve_for_picture();
CREATE TRIGGER wake_for_pictures AFTER INSERT OR UPDATE ON public.image_jobs FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('image');
CREATE TRIGGER wake_for_imports AFTER INSERT OR UPDATE ON public.imports FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('import');
CREATE TRIGGER wake_for_changes AFTER INSERT OR UPDATE ON public.library_changes FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('change');
CREATE TRIGGER likes_counted AFTER INSERT OR DELETE ON public.likes FOR EACH ROW EXECUTE FUNCTION count_like();
CREATE TRIGGER maintenance_told AFTER UPDATE ON public.maintenance FOR EACH STATEMENT EXECUTE FUNCTION tell_bulletin();
CREATE TRIGGER pictures_withdrawn AFTER UPDATE OF deleted_at ON public.pictures FOR EACH ROW WHEN (((old.deleted_at IS NULL) AND (new.deleted_at IS NOT NULL))) EXECUTE FUNCTION withdraw_deleted();
CREATE TRIGGER count_changed AFTER UPDATE ON public.receipts FOR EACH ROW WHEN (((old.ssh_key_id IS NOT NULL) AND ((old.counted_usd IS DISTINCT FROM new.counted_usd) OR (old.counted_pictures IS DISTINCT FROM new.counted_pictures) OR (old.called_at IS DISTINCT FROM new.called_at)))) EXECUTE FUNCTION count_for_ssh_key();
CREATE TRIGGER count_gone AFTER DELETE ON public.receipts FOR EACH ROW WHEN ((old.ssh_key_id IS NOT NULL)) EXECUTE FUNCTION count_for_ssh_key();
CREATE TRIGGER count_new AFTER INSERT ON public.receipts FOR EACH ROW WHEN ((new.ssh_key_id IS NOT NULL)) EXECUTE FUNCTION count_for_ssh_key();
CREATE TRIGGER spend_changed AFTER UPDATE ON public.receipts FOR EACH ROW WHEN (((old.user_id IS DISTINCT FROM new.user_id) OR (old.called_at IS DISTINCT FROM new.called_at) OR ((old.ended_at IS NULL) <> (new.ended_at IS NULL)) OR (old.charged <> new.charged) OR (old.amount IS DISTINCT FROM new.amount) OR (old.estimate IS DISTINCT FROM new.estimate) OR (old.key_id IS DISTINCT FROM new.key_id) OR (old.ssh_key_id IS DISTINCT FROM new.ssh_key_id) OR (old.conversation_id IS DISTINCT FROM new.conversation_id))) EXECUTE FUNCTION count_spend_of_receipt();
CREATE TRIGGER spend_new AFTER INSERT OR DELETE ON public.receipts FOR EACH ROW EXECUTE FUNCTION count_spend_of_receipt();
CREATE TRIGGER release_gone AFTER DELETE ON public.replies FOR EACH ROW WHEN ((old.state = ANY (ARRAY['queued'::text, 'running'::text]))) EXECUTE FUNCTION release_answer();
CREATE TRIGGER reserve_changed AFTER UPDATE ON public.replies FOR EACH ROW WHEN (((((old.state = ANY (ARRAY['queued'::text, 'running'::text])) AND (old.called_at IS NULL)) IS DISTINCT FROM ((new.state = ANY (ARRAY['queued'::text, 'running'::text])) AND (new.called_at IS NULL))) OR (old.expected IS DISTINCT FROM new.expected) OR (old.from_balance IS DISTINCT FROM new.from_balance))) EXECUTE FUNCTION reserve_for_answer();
CREATE TRIGGER reserve_new AFTER INSERT ON public.replies FOR EACH ROW WHEN ((new.state = ANY (ARRAY['queued'::text, 'running'::text]))) EXECUTE FUNCTION reserve_for_answer();
CREATE TRIGGER wake_for_answers AFTER INSERT OR UPDATE ON public.replies FOR EACH ROW WHEN ((new.state = 'queued'::text)) EXECUTE FUNCTION wake_workers('reply');
CREATE TRIGGER release_gone AFTER DELETE ON public.suggestions FOR EACH ROW WHEN ((old.state = 'asked'::text)) EXECUTE FUNCTION reserve_for_suggestion();
CREATE TRIGGER reserve_changed AFTER UPDATE ON public.suggestions FOR EACH ROW WHEN (((old.state = 'asked'::text) IS DISTINCT FROM (new.state = 'asked'::text))) EXECUTE FUNCTION reserve_for_suggestion();
