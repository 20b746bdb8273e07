-- Whatever puts a row into the queue, or lets one go on that waits, wakes the workers: at commit, so that none looks too
-- early. A wake-up that nobody hears is nothing lost; every worker looks by itself every few seconds.
create function wake_workers() returns trigger language plpgsql as $$
begin
  perform pg_notify('work', tg_argv[0]);
  return null;
end
$$;

create trigger wake_for_pictures after insert or update on image_jobs
  for each row when (new.state = 'queued') execute function wake_workers('image');

create trigger wake_for_answers after insert or update on replies
  for each row when (new.state = 'queued') execute function wake_workers('reply');
