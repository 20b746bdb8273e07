-- prompts: what a text model suggests in place of a prompt, or for a picture; paid for, once, when the person has said so
create table suggestions (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  sign_in_id uuid,
  kind text not null check (kind in ('improve', 'describe')),
  language text not null, -- of the person's pages
  form jsonb not null, -- of Create, as it was typed
  token text, -- of the picture that is described
  state text not null default 'open' check (state in ('open', 'asked', 'called', 'done', 'failed', 'unknown')),
  -- As of the press that pays: which model, by which key, and what is held for it.
  model text,
  key_id bigint,
  key_name text,
  key_group text,
  from_balance boolean not null default true,
  expected numeric, -- US dollars
  caller_address text,
  caller_user_agent text,
  text text, -- what was suggested
  failure_reason text,
  refusal jsonb, -- why it was not sent
  created_at timestamptz(3) not null default clock_timestamp(),
  asked_at timestamptz(3),
  finished_at timestamptz(3)
);
create index suggestions_of_user on suggestions (user_id, created_at desc, id desc);
create index suggestions_unfinished on suggestions (created_at) where state in ('open', 'asked');

alter table news drop constraint news_topic_check,
  add constraint news_topic_check
    check (topic in ('picture-ended', 'answer-ended', 'conversation-changed', 'suggestion-asked'));
alter table receipts drop constraint receipts_kind_check,
  add constraint receipts_kind_check check (kind in ('picture', 'answer', 'title', 'improve', 'describe'));
alter table reservations drop constraint reservations_kind_check,
  add constraint reservations_kind_check check (kind in ('picture', 'answer', 'improve', 'describe'));

-- As with pictures and answers: what waits to be called has a reservation, whoever writes the row and however it ends.
create function reserve_for_suggestion() returns trigger language plpgsql as $$
begin
  if tg_op <> 'DELETE' and new.state = 'asked' then
    insert into reservations (kind, subject, user_id, expected, from_balance, created_at)
      values (new.kind, new.id, new.user_id, round(coalesce(new.expected, 0), 10), new.from_balance, new.asked_at)
      on conflict (kind, subject) do nothing;
  else
    delete from reservations where kind = old.kind and subject = old.id;
  end if;
  return null;
end $$;
create trigger reserve_changed after update on suggestions for each row
  when ((old.state = 'asked') is distinct from (new.state = 'asked')) execute function reserve_for_suggestion();
create trigger release_gone after delete on suggestions for each row
  when (old.state = 'asked') execute function reserve_for_suggestion();

create or replace function sweep_reservations() returns bigint language plpgsql as $$
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
end $$;
