-- serves 0034
-- spend: what was spent, by the days of the person's own zone: a month is the sum of few rows, however many calls it had.
-- The sums follow the receipts in the same transaction, whatever writes those.

create table spend_days (
  user_id bigint not null references users on delete cascade,
  day date not null,
  key_id bigint,
  key_name text,
  model text not null,
  kind text not null,
  ssh_key_id uuid,
  ssh_key_name text,
  conversation_id uuid,
  calls integer not null,
  usd numeric not null, -- charged, as far as the amounts are known
  settled integer not null, -- calls whose amount is known, 0 for what was free
  guessed_usd numeric not null, -- estimates of those that were charged and had one
  guessed_paid_usd numeric not null, -- and what these were charged
  unsettled integer not null, -- under way, or charged by how much is not known yet
  unsettled_usd numeric not null, -- their estimates
  unknown integer not null, -- nobody knows whether they were charged
  unknown_usd numeric not null,
  unique nulls not distinct (user_id, day, key_id, model, kind, ssh_key_id, conversation_id)
);

drop index receipts_of_conversation;
create index receipts_of_conversation on receipts (conversation_id, called_at desc) where conversation_id is not null;

create function spend_zone(person bigint) returns text stable language plpgsql as $$
begin
  return coalesce((select time_zone from accounts where user_id = person), 'UTC');
end $$;

-- Who changes a zone waits for those who count by the old one.
create function count_spend(r record, direction integer) returns void language plpgsql as $$
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
end $$;

create function count_spend_of_receipt() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then perform count_spend(old, -1); end if;
  if tg_op <> 'DELETE' then perform count_spend(new, 1); end if;
  return null;
end $$;
create trigger spend_new after insert or delete on receipts for each row execute function count_spend_of_receipt();
create trigger spend_changed after update on receipts for each row
  when (old.user_id is distinct from new.user_id or old.called_at is distinct from new.called_at
    or (old.ended_at is null) <> (new.ended_at is null) or old.charged <> new.charged
    or old.amount is distinct from new.amount or old.estimate is distinct from new.estimate
    or old.key_id is distinct from new.key_id or old.ssh_key_id is distinct from new.ssh_key_id
    or old.conversation_id is distinct from new.conversation_id)
  execute function count_spend_of_receipt();

create function recount_spend(person bigint) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(743044, hashint8(person));
  delete from spend_days where user_id = person;
  perform count_spend(r, 1) from receipts r where user_id = person;
end $$;

create function recount_spend_of_account() returns trigger language plpgsql as $$
begin
  if spend_zone(new.user_id) is distinct from coalesce(case when tg_op = 'UPDATE' then old.time_zone end, 'UTC') then
    perform recount_spend(new.user_id);
  end if;
  return null;
end $$;
create trigger spend_zone_new after insert or update of time_zone on accounts
  for each row execute function recount_spend_of_account();

select recount_spend(user_id) from (select distinct user_id from receipts where user_id is not null) people;
