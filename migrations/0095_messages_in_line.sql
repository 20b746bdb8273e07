-- serves 0034
-- chat: what is said while an answer is being written waits for its end, and is sent then, once

create table chat_line (
  id uuid primary key default gen_random_uuid(),
  number bigint generated always as identity, -- the order in which they go
  conversation_id uuid not null references conversations on delete cascade,
  user_id bigint not null references users on delete cascade,
  after_id uuid references chat_messages on delete set null, -- it goes at the end of what follows from this; null: of what is shown
  submission uuid not null, -- that of the message that it becomes
  text text not null,
  attachments jsonb not null, -- tokens or ids of texts, with their names, in order
  model text not null,
  effort text,
  sign_in_id uuid,
  caller_address text not null,
  caller_user_agent text not null,
  held jsonb, -- why it does not go by itself, as a key of the catalogue with what that says; null: it goes
  removed_at timestamptz, -- by its person, who may take that back
  created_at timestamptz(3) not null default clock_timestamp(),
  unique (user_id, submission)
);
create index chat_line_of_conversation on chat_line (conversation_id, number);
create index chat_line_after on chat_line (after_id) where after_id is not null;
