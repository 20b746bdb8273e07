-- Processes that make pictures, and what keeps them from beginning one: pages tell it to whom waits.
create table image_workers (
  id uuid primary key, -- of one process, until it ends
  blocked text check (blocked in ('store', 'spill')),
  heard_at timestamptz not null default now()
);

-- What the gateway gave in place of pictures, while or where it cannot be fetched: [{"position": 0, "address": "https://…"}]
alter table image_jobs add unfetched jsonb not null default '[]';
