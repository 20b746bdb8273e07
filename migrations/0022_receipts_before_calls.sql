-- spend: a receipt is written with the mark that a call is about to be made, one for each attempt, and says by itself
-- whatever is asked about money

alter table receipts rename column cost to amount;
alter table receipts
  drop constraint receipts_kind_subject_key,
  alter column ended_at drop not null, -- null: under way, as far as anybody has said
  alter column works_until drop not null,
  alter column amount type numeric using round(amount::numeric, 10), -- US dollars
  -- Said by the end of the call, where that proved it, or by the usage rows, or by the person.
  add column charged text not null default 'unknown' check (charged in ('yes', 'no', 'unknown')),
  add column key_name text,
  add column key_group text,
  add column asked jsonb not null default '{}', -- what may be counted, never words: {"size": "1024x1024", "n": 2, …}
  add column estimate numeric, -- US dollars
  add column delivered jsonb, -- what came, as it was decoded here: [{"width": 1024, …}]; null: not told
  add column billed_by text check (billed_by in ('picture', 'tokens')),
  add column billed_tier text,
  add column billed_count integer,
  add column billed_rate numeric, -- the multiplier of group or person
  add column conversation_id uuid,
  add column conversation_title text,
  add column batch_id uuid,
  add column ssh_key_id uuid,
  add column ssh_key_name text;

-- What is known of those that are there.

update receipts r set charged = coalesce(j.charged, 'unknown'), key_name = j.key_name, key_group = j.key_group,
    estimate = round(j.estimate::numeric, 10), conversation_id = j.conversation_id,
    conversation_title = j.conversation_title, batch_id = j.batch_id, ssh_key_id = j.ssh_key_id,
    ssh_key_name = j.ssh_key_name
  from image_jobs j where r.kind = 'picture' and j.id = r.subject;
update receipts r set charged = coalesce(a.charged, 'unknown'), key_name = a.key_name, key_group = a.key_group,
    asked = jsonb_strip_nulls(jsonb_build_object('purpose', a.purpose, 'effort', a.effort)), conversation_id = c.id,
    conversation_title = c.title
  from replies a join conversations c on c.id = a.conversation_id where r.kind = 'answer' and a.message_id = r.subject;
update receipts r set conversation_id = c.id, conversation_title = c.title
  from conversations c where r.kind = 'title' and c.id = r.subject;
-- Of titles, and of what is gone, the receipt alone tells.
update receipts r set charged = case when certain or amount > 0 then 'yes'
    when evidence->>'outcome' in ('not_charged', 'decided') and usage_id is null then 'no' else 'unknown' end
  where charged = 'unknown' and not exists (select from image_jobs j where r.kind = 'picture' and j.id = r.subject)
    and not exists (select from replies a where r.kind = 'answer' and a.message_id = r.subject);
alter table receipts drop column certain;

-- Calls that are under way, and those that were free.

insert into receipts (user_id, sign_in_id, kind, subject, key_id, key_name, key_group, model, request_id, called_at,
    ended_at, works_until, charged, amount, evidence, estimate, conversation_id, conversation_title, batch_id,
    ssh_key_id, ssh_key_name)
  select user_id, sign_in_id, 'picture', id, key_id, key_name, key_group, model, request_id, called_at, finished_at,
    finished_at, coalesce(charged, 'unknown'), round(cost::numeric, 10), evidence, round(estimate::numeric, 10),
    conversation_id, conversation_title, batch_id, ssh_key_id, ssh_key_name
  from image_jobs j where called_at is not null
    and not exists (select from receipts r where r.kind = 'picture' and r.subject = j.id);
insert into receipts (user_id, sign_in_id, kind, subject, key_id, key_name, key_group, model, asked, request_id,
    called_at, ended_at, works_until, charged, amount, evidence, conversation_id, conversation_title)
  select a.user_id, a.sign_in_id, 'answer', a.message_id, a.key_id, a.key_name, a.key_group, a.model,
    jsonb_strip_nulls(jsonb_build_object('purpose', a.purpose, 'effort', a.effort)), a.request_id, a.called_at,
    a.finished_at, a.finished_at, coalesce(a.charged, 'unknown'), round(a.cost::numeric, 10), a.evidence, c.id, c.title
  from replies a join conversations c on c.id = a.conversation_id
  where a.called_at is not null and a.key_id is not null
    and not exists (select from receipts r where r.kind = 'answer' and r.subject = a.message_id);

update receipts r set asked = jsonb_strip_nulls(jsonb_build_object('size', j.size, 'quality', j.quality, 'n', j.n,
      'format', j.format, 'compression', j.compression, 'background', j.background, 'moderation', j.moderation,
      'previews', j.previews, 'references', cardinality(j.reference_tokens), 'mask', j.mask_id is not null)),
    delivered = p.pictures
  from image_jobs j left join (
    select job_id, jsonb_agg(jsonb_build_object('width', f.width, 'height', f.height, 'format', f.format,
        'condition', pictures.condition) order by position) as pictures
      from pictures join files f using (token) where condition <> 'preview' group by job_id) p on p.job_id = j.id
  where r.kind = 'picture' and j.id = r.subject;

create unique index receipts_under_way on receipts (kind, subject) where ended_at is null;
create index receipts_of_subject on receipts (kind, subject, called_at desc);
create index receipts_of_user on receipts (user_id, called_at desc, id desc);
create index receipts_without_row on receipts (user_id, key_id) where usage_id is null and charged <> 'no';
create index receipts_of_conversation on receipts (conversation_id) where conversation_id is not null;

-- What SSH keys have used, by days of UTC: caps are sums of few rows, however many calls there were. The sums follow the
-- receipts in the same transaction, whatever writes those.

alter table receipts
  -- What stands for the amount: itself, the estimate until it is known, nothing for what was free.
  add column counted_usd numeric not null
    generated always as (case when charged = 'no' then 0 else coalesce(amount, estimate, 0) end) stored,
  add column counted_pictures integer not null
    generated always as (case when charged = 'no' then 0 else coalesce((asked->>'n')::integer, 0) end) stored;

create table ssh_key_days (
  ssh_key_id uuid not null,
  day date not null,
  user_id bigint not null references users on delete cascade,
  pictures integer not null,
  usd numeric not null,
  primary key (ssh_key_id, day)
);

insert into ssh_key_days (ssh_key_id, day, user_id, pictures, usd)
  select ssh_key_id, (called_at at time zone 'utc')::date, user_id, sum(counted_pictures), sum(counted_usd)
  from receipts where ssh_key_id is not null group by 1, 2, 3;

create function count_for_ssh_key() returns trigger language plpgsql as $$
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
end $$;
create trigger count_new after insert on receipts for each row
  when (new.ssh_key_id is not null) execute function count_for_ssh_key();
create trigger count_gone after delete on receipts for each row
  when (old.ssh_key_id is not null) execute function count_for_ssh_key();
create trigger count_changed after update on receipts for each row
  when (old.ssh_key_id is not null and (old.counted_usd is distinct from new.counted_usd
    or old.counted_pictures is distinct from new.counted_pictures or old.called_at is distinct from new.called_at))
  execute function count_for_ssh_key();
