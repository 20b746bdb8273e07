-- Pictures of answers that wait for the store, on the worker that was told them.
create table drawn_waiting (
  message_id uuid not null references chat_messages on delete cascade,
  position integer not null,
  spilled_by uuid not null, -- the data directory that keeps it
  heard_at timestamptz not null default now(), -- of the worker whose directory that is
  primary key (message_id, position)
);
create index drawn_waiting_by_spill on drawn_waiting (spilled_by);
