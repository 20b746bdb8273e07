-- serves 0034
-- library: all that a list is filtered, counted and sorted by lies in one index

-- What a tag is looked up by: as long as any other, so that it fits into an index.
create function tag_hash(key text) returns bigint language sql immutable strict parallel safe
return hashtextextended(key, 0);

create function tag_hashes(keys text[]) returns bigint[] language sql immutable strict parallel safe
return (select coalesce(array_agg(tag_hash(key) order by key), '{}') from unnest(keys) as key);

alter table pictures add column tag_hashes bigint[] not null generated always as (tag_hashes(tags)) stored;

drop index pictures_by_tag;
create index pictures_by_tag on pictures using gin (user_id, tag_hashes) where deleted_at is null and not is_copy;

create index pictures_listed on pictures (user_id, created_at desc, id desc)
  include (origin, favourite, folder_id, model, quality, width, height, bytes, cost, tag_hashes)
  where deleted_at is null and not is_copy;
drop index pictures_kept;

-- What a person's files take, and which of them nothing but the trash needs.
create index pictures_use on pictures (user_id, token) include (origin, deleted_at);
create index files_use_by_token on files (user_id, token) include (bytes, original_bytes);
drop index files_use;
alter index files_use_by_token rename to files_use;

create index tags_by_hash on tags (user_id, tag_hash(key));
