-- Conversations as files lie in the store, each under a name that nobody can guess
alter table conversations
  add snapshot_key text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
