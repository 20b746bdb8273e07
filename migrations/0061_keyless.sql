-- serves 0034
-- images: what was asked for with a key that the gateway does not take any more waits for it, or for another one

alter table image_jobs add column key_looked_at timestamptz; -- its key was refused; looked at last then. Null: it waits for no key
create index image_jobs_keyless on image_jobs (user_id) where state = 'queued' and key_looked_at is not null;

-- Whatever is chosen, or learnt of the chosen one, is looked at soon.
create function look_at_keyless() returns trigger language plpgsql as $$
begin
  update image_jobs set key_looked_at = 'epoch'
    where user_id = new.user_id and state = 'queued' and key_looked_at is not null;
  return null;
end $$;
create trigger look_at_keyless after update on accounts for each row
  when (old.key_id is distinct from new.key_id
    or old.key_state->'problem' is distinct from new.key_state->'problem')
  execute function look_at_keyless();
