-- Processes that make pictures, and what keeps them from beginning one: pages tell it to whom waits.
create table image_workers (
  id uuid primary key, -- of one process, until it ends
  blocked text check (blocked in ('store', 'spill')),
  heard_at timestamptz not null default now()
);
