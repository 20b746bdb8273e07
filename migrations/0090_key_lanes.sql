-- serves 0034
-- images: how many pictures the gateway makes at once with a key, learnt from its refusing one more

create table key_lanes (
  user_id bigint not null references users on delete cascade,
  key_id bigint not null,
  at_once integer not null check (at_once > 0),
  learned_at timestamptz not null default now(),
  primary key (user_id, key_id)
);
