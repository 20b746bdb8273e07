-- library: what can be searched, filed, tagged and counted

create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- A text as it is searched: of one case and one spelling (NFKC), without what cannot be seen. Letters beyond ASCII are written as
-- a word of their code each: so one Chinese character is found by an index, whatever locale the database was made with.
create function search_text(words text) returns text language sql immutable strict parallel safe
return case
  when octet_length(words) = char_length(words) then lower(translate(words, chr(1), ' '))
  else (
    select coalesce(string_agg(
      case when ascii(letter) < 128 then letter else chr(1) || to_hex(ascii(letter)) || chr(1) end, '' order by place), '')
    from unnest(string_to_array(regexp_replace(
      lower(normalize(translate(words, chr(1), ' '), nfkc)),
      '[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]', '', 'g'), null))
      with ordinality as letters (letter, place))
end;

-- What finds a word anywhere in such a text.
create function search_pattern(word text) returns text language sql immutable strict parallel safe
return '%' || regexp_replace(search_text(word), '([\\%_])', '\\\1', 'g') || '%';

create table folders (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  name text not null,
  key text not null, -- the name, of one case and spelling
  query text, -- a saved search; null: pictures lie in it
  cover uuid references pictures on delete set null,
  created_at timestamptz not null default now(),
  unique (user_id, key)
);
create index folders_by_cover on folders (cover) where cover is not null;

create table tags (
  user_id bigint not null references users on delete cascade,
  key text not null, -- the name, of one case and spelling; pictures hold it
  name text not null, -- as it was first written
  primary key (user_id, key)
);

alter table pictures
  add column width integer,
  add column height integer,
  add column bytes bigint,
  add column asked jsonb, -- what the call asked for, where one made it
  add column returned jsonb not null default '{}', -- what the gateway said of it
  add column revised_prompt text not null default '',
  add column cost double precision, -- its share of what the call was charged
  add column folder_id uuid references folders on delete set null,
  add column tags text[] not null default '{}',
  -- The same bytes lie in the library already: an older row shows them.
  add column is_copy boolean not null default false;

update pictures p set width = f.width, height = f.height, bytes = f.bytes from files f where f.token = p.token;

update pictures p set
  asked = jsonb_build_object('model', j.model, 'size', j.size, 'quality', j.quality, 'n', j.n, 'format', j.format,
    'compression', j.compression, 'background', j.background, 'moderation', j.moderation),
  cost = j.cost / greatest(1, (select count(*) from pictures q where q.job_id = j.id and q.condition in ('whole', 'incomplete')))
from image_jobs j where j.id = p.job_id;

update pictures p set is_copy = true
from (select id, row_number() over (partition by user_id, token, origin = 'uploaded' order by created_at, id) as number
      from pictures where deleted_at is null) numbered
where numbered.id = p.id and number > 1;

alter table pictures
  alter column width set not null,
  alter column height set not null,
  alter column bytes set not null,
  add column search text not null generated always as (search_text(prompt || E'\n' || revised_prompt)) stored;

drop index pictures_kept;
create index pictures_shown on pictures (user_id, created_at desc, id desc)
  where deleted_at is null and not is_copy and origin <> 'uploaded';
create index pictures_uploaded on pictures (user_id, created_at desc, id desc)
  where deleted_at is null and not is_copy and origin = 'uploaded';
create index pictures_kept on pictures (user_id, created_at desc, id desc) where deleted_at is null and not is_copy;
create index pictures_favourite on pictures (user_id, created_at desc, id desc)
  where favourite and deleted_at is null and not is_copy;
create index pictures_by_folder on pictures (folder_id, created_at desc, id desc) where folder_id is not null;
create index pictures_by_tag on pictures using gin (user_id, tags) where deleted_at is null and not is_copy;
create index pictures_search on pictures using gin (user_id, search gin_trgm_ops)
  with (gin_pending_list_limit = 256) where deleted_at is null and not is_copy;

create index files_use on files (user_id) include (bytes, original_bytes);

-- How pictures were before many of them were changed at once, to be undone; kept for a day.
create table library_changes (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  did text not null,
  made_at timestamptz not null default now()
);
create index library_changes_by_age on library_changes (made_at);

create table library_changed (
  change_id uuid not null references library_changes on delete cascade,
  picture_id uuid not null,
  favourite boolean not null,
  folder_id uuid,
  tags text[] not null,
  deleted_at timestamptz(3),
  primary key (change_id, picture_id)
);
