-- Bytes that are being stored and have no row of their own yet: what a crash leaves here, housekeeping deletes.
create table named_files (
  token text primary key,
  named_at timestamptz not null default now()
);
