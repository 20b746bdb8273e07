-- serves 0034
-- Lets the sign-in of a frame open one window of its own, whose cookies are others. Only the SHA-256 of the ticket is here.
create table window_tickets (
  hash bytea primary key,
  sign_in_id uuid not null references sign_ins on delete cascade,
  path text not null,
  expires_at timestamptz not null
);
create index window_tickets_of_sign_in on window_tickets (sign_in_id);
create index window_tickets_by_expiry on window_tickets (expires_at);
