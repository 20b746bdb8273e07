-- images, chat: who pays and for what, by the names of when it was asked for. A receipt copies them.

alter table image_jobs
  add column key_name text,
  add column key_group text,
  add column ssh_key_name text,
  add column conversation_id uuid, -- that the picture was asked for in
  add column conversation_title text;
alter table replies
  add column key_name text,
  add column key_group text;

update image_jobs j set key_name = a.key_name, key_group = a.key_group
  from accounts a where a.user_id = j.user_id and a.key_id = j.key_id;
update image_jobs j set ssh_key_name = k.name,
    key_name = case when k.key_id = j.key_id then k.key_name else j.key_name end,
    key_group = case when k.key_id = j.key_id then k.key_group else j.key_group end
  from ssh_keys k where k.id = j.ssh_key_id;
update image_jobs j set conversation_id = c.id, conversation_title = c.title
  from tool_calls t join conversations c on c.id = t.conversation_id where t.job_id = j.id;
update replies r set key_name = a.key_name, key_group = a.key_group
  from accounts a where a.user_id = r.user_id and a.key_id = r.key_id;

-- What an SSH key has asked for and was not sent yet.
create index image_jobs_of_ssh_key_unfinished on image_jobs (ssh_key_id)
  where ssh_key_id is not null and state in ('queued', 'running');
create index image_jobs_of_conversation on image_jobs (conversation_id) where conversation_id is not null;
