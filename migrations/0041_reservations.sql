-- serves 0034
-- spend: what is held for whatever waits to be called and may be paid, until its receipt takes over

alter table image_jobs
  -- The dearest bill that can come back, in US dollars; null: there is no upper bound, or no price list.
  add column dearest double precision,
  -- False: a plan pays.
  add column from_balance boolean not null default true;

alter table replies
  -- Tokens have no upper bound: what such an answer has come to at most, as far as is known. US dollars.
  add column expected double precision,
  add column from_balance boolean not null default true;

alter table receipts
  add column held numeric, -- US dollars, as reserved; null: of before there were reservations
  add column is_bounded boolean not null default true, -- no bill above `held` can come back
  add column from_balance boolean not null default true,
  -- What stands for the amount where it must not be less: itself, the dearest that can come until it is known.
  add column at_most_usd numeric not null
    generated always as (case when charged = 'no' then 0 else coalesce(amount, held, estimate, 0) end) stored;

create table reservations (
  kind text not null check (kind in ('picture', 'answer')),
  subject uuid not null, -- the job, or the message of the answer
  user_id bigint not null references users on delete cascade,
  dearest numeric, -- US dollars; null: no upper bound
  expected numeric not null, -- US dollars: what the person was told, or what it has come to at most
  from_balance boolean not null,
  conversation_id uuid,
  batch_id uuid,
  created_at timestamptz not null,
  primary key (kind, subject)
);
create index reservations_of_user on reservations (user_id, created_at, subject);

create index receipts_counted on receipts (user_id, called_at) include (at_most_usd);
create index receipts_open on receipts (user_id)
  where amount is null and charged <> 'no' and (ended_at is null or look_at is not null);

-- A row that waits has a reservation, and one that was called or has ended has none, whoever writes it and on whatever
-- way it ends: triggers, so that no way forgets. With the call its receipt is opened, in the same transaction.
create function reserve_for_picture() returns trigger language plpgsql as $$
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
end $$;

create function reserve_for_answer() returns trigger language plpgsql as $$
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
end $$;

create function release_picture() returns trigger language plpgsql as $$
begin
  delete from reservations where kind = 'picture' and subject = old.id;
  return null;
end $$;

create function release_answer() returns trigger language plpgsql as $$
begin
  delete from reservations where kind = 'answer' and subject = old.message_id;
  return null;
end $$;

create trigger reserve_new after insert on image_jobs for each row
  when (new.state in ('queued', 'running')) execute function reserve_for_picture();
create trigger reserve_changed after update on image_jobs for each row
  when ((old.state in ('queued', 'running') and old.called_at is null)
      is distinct from (new.state in ('queued', 'running') and new.called_at is null)
    or old.dearest is distinct from new.dearest or old.estimate is distinct from new.estimate
    or old.from_balance is distinct from new.from_balance)
  execute function reserve_for_picture();
create trigger release_gone after delete on image_jobs for each row
  when (old.state in ('queued', 'running')) execute function release_picture();

create trigger reserve_new after insert on replies for each row
  when (new.state in ('queued', 'running')) execute function reserve_for_answer();
create trigger reserve_changed after update on replies for each row
  when ((old.state in ('queued', 'running') and old.called_at is null)
      is distinct from (new.state in ('queued', 'running') and new.called_at is null)
    or old.expected is distinct from new.expected or old.from_balance is distinct from new.from_balance)
  execute function reserve_for_answer();
create trigger release_gone after delete on replies for each row
  when (old.state in ('queued', 'running')) execute function release_answer();

-- Whose row is gone or has ended all the same, as after a repair by hand. Answers how many those were.
create function sweep_reservations() returns bigint language plpgsql as $$
declare
  swept bigint;
begin
  delete from reservations r where not exists (
      select from image_jobs j where r.kind = 'picture' and j.id = r.subject
        and j.state in ('queued', 'running') and j.called_at is null)
    and not exists (
      select from replies a where r.kind = 'answer' and a.message_id = r.subject
        and a.state in ('queued', 'running') and a.called_at is null);
  get diagnostics swept = row_count;
  return swept;
end $$;

-- What waits now: by the price list of its key where that is known, else by what the person was told.
update image_jobs j set
    dearest = coalesce((
      select j.n * greatest((prices->>'1K')::float8, (prices->>'2K')::float8, (prices->>'4K')::float8)
      from (select key_prices from accounts where user_id = j.user_id and key_id = j.key_id
            union all select key_prices from ssh_keys where id = j.ssh_key_id) known (prices)
      where prices is not null limit 1), estimate),
    from_balance = not coalesce((
      select (key_state->>'isPlan')::boolean from accounts where user_id = j.user_id and key_id = j.key_id), false)
  where state in ('queued', 'running');
update replies a set from_balance = not coalesce((
      select (key_state->>'isPlan')::boolean from accounts where user_id = a.user_id and key_id = a.key_id), false)
  where state in ('queued', 'running');

insert into reservations (kind, subject, user_id, dearest, expected, from_balance, conversation_id, batch_id, created_at)
  select 'picture', id, user_id, round(dearest::numeric, 10), round(coalesce(estimate, dearest, 0)::numeric, 10),
    from_balance, conversation_id, batch_id, created_at
  from image_jobs where state in ('queued', 'running') and called_at is null
  on conflict do nothing;
insert into reservations (kind, subject, user_id, expected, from_balance, conversation_id, created_at)
  select 'answer', message_id, user_id, coalesce(expected, 0), from_balance, conversation_id, created_at
  from replies where state in ('queued', 'running') and called_at is null
  on conflict do nothing;
update receipts r set held = round(j.dearest::numeric, 10)
  from image_jobs j where r.kind = 'picture' and r.subject = j.id and r.ended_at is null and j.state = 'running';
