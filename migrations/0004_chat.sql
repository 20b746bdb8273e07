-- chat: conversations are trees of messages that are only ever added; answers are jobs

create table conversations (
  id uuid primary key,
  user_id bigint not null references users on delete cascade,
  title text not null,
  instructions text not null default '',
  head uuid, -- the newest message: its branch is shown unless another is asked for
  pinned_at timestamptz(3),
  created_at timestamptz(3) not null default clock_timestamp(),
  updated_at timestamptz(3) not null default clock_timestamp(), -- milliseconds: lists page by it
  named_at timestamptz, -- the model was asked for a title, or somebody gave one
  deleted_at timestamptz(3)
);
create index conversations_of_user on conversations (user_id, updated_at desc, id desc) where deleted_at is null;
create index conversations_deleted on conversations (deleted_at) where deleted_at is not null;

create table chat_messages (
  id uuid primary key,
  conversation_id uuid not null references conversations on delete cascade,
  user_id bigint not null references users on delete cascade,
  parent_id uuid references chat_messages on delete cascade, -- several with one parent are branches
  number bigint generated always as identity, -- order among siblings
  role text not null check (role in ('user', 'assistant', 'tool')),
  submission uuid,
  text text not null default '', -- of a person; an answer's is on its reply
  created_at timestamptz(3) not null default clock_timestamp(),
  deleted_at timestamptz, -- with all that stands below it, at the same moment
  unique (user_id, submission),
  check (role = 'user' or submission is null)
);
create index chat_messages_by_parent on chat_messages (parent_id) where parent_id is not null;
create index chat_messages_below on chat_messages (conversation_id, parent_id, number);

create index chat_messages_deleted on chat_messages (deleted_at) where deleted_at is not null;

create table chat_texts (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  name text not null,
  text text not null,
  created_at timestamptz(3) not null default clock_timestamp()
);
create index chat_texts_of_user on chat_texts (user_id);

create table chat_attachments (
  message_id uuid not null references chat_messages on delete cascade,
  position integer not null,
  name text not null,
  token text, -- a picture in the library's files
  text_id uuid references chat_texts,
  primary key (message_id, position),
  check (num_nonnulls(token, text_id) = 1)
);
create index chat_attachments_by_token on chat_attachments (token);
create index chat_attachments_by_text on chat_attachments (text_id);

create table replies (
  message_id uuid primary key references chat_messages on delete cascade,
  conversation_id uuid not null references conversations on delete cascade,
  user_id bigint not null references users on delete cascade,
  sign_in_id uuid,
  state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'unknown', 'stopped')),
  version integer not null default 1, -- grows with every change of state
  purpose text not null check (purpose in ('answer', 'close')), -- close: words after a picture, without tools
  model text not null,
  effort text,
  key_id bigint,
  key_secret bytea, -- sealed; erased when the answer ends
  caller_address text not null,
  caller_user_agent text not null,
  created_at timestamptz(3) not null default clock_timestamp(),
  not_before timestamptz, -- the gateway asked us to wait
  started_at timestamptz,
  finished_at timestamptz,
  attempts integer not null default 0,
  claim uuid, -- of the worker that runs it
  lease_until timestamptz,
  called_at timestamptz, -- the gateway was asked; from here on it may have been charged
  cancel_requested_at timestamptz,
  text text not null default '', -- Markdown; empty until the answer ends
  reasoning text not null default '',
  html text, -- the text rendered, once
  cut_by text, -- what made the model stop early
  input_tokens integer,
  cached_tokens integer,
  output_tokens integer,
  reasoning_tokens integer,
  request_id text,
  failure_reason text,
  charged text,
  failure_detail text,
  retry_at timestamptz,
  cost double precision, -- US dollars, from the gateway's usage row
  check ((state in ('queued', 'running')) = (finished_at is null)),
  check (state in ('queued', 'running') or key_secret is null),
  check (state <> 'running' or (claim is not null and lease_until is not null))
);
create index replies_of_conversation on replies (conversation_id);
create index replies_unfinished on replies (state, user_id, created_at) where state in ('queued', 'running');

-- What of a running answer has come; moves into its reply when that ends.
create table reply_deltas (
  message_id uuid not null references replies on delete cascade,
  seq integer not null,
  kind text not null check (kind in ('text', 'reasoning')),
  text text not null,
  primary key (message_id, seq)
);

create table tool_calls (
  message_id uuid primary key references chat_messages on delete cascade,
  conversation_id uuid not null references conversations on delete cascade,
  user_id bigint not null references users on delete cascade,
  state text not null check (state in ('asked', 'painting', 'done', 'failed', 'declined', 'refused')),
  version integer not null default 1,
  call_id text not null,
  name text not null,
  arguments text not null, -- as the model wrote them
  problem text, -- what had to be put right, or why it was refused
  prompt text not null default '',
  size text not null default '',
  n integer not null default 1,
  sources text[] not null default '{}', -- tokens of the pictures to edit
  job_id uuid,
  output text -- what the model is told; null until it is over
);
create index tool_calls_of_conversation on tool_calls (conversation_id);
create index tool_calls_painting on tool_calls (job_id) where state = 'painting';

create table chat_settings (
  user_id bigint primary key references users on delete cascade,
  instructions text not null default '',
  ask_before_paying boolean not null default true,
  list_open boolean not null default true,
  model text,
  effort text
);

create table chat_drafts (
  user_id bigint not null references users on delete cascade,
  place text not null, -- a conversation's id, or `new`
  form jsonb not null,
  updated_at timestamptz not null default now(),
  primary key (user_id, place)
);
