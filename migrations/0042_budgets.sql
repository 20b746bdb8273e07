-- serves 0034
-- spend: what a person allows to be spent, and when they once let something through all the same

create table budgets (
  user_id bigint primary key references users on delete cascade,
  -- US dollars; null: none. Days and months are those of the person's zone.
  per_day numeric check (per_day >= 0),
  per_month numeric check (per_month >= 0),
  per_conversation numeric check (per_conversation >= 0),
  per_batch numeric check (per_batch >= 0),
  changed_at timestamptz not null default now()
);

create table budget_overrides (
  id uuid primary key default gen_random_uuid(),
  user_id bigint not null references users on delete cascade,
  reason text not null, -- the person's words
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- What it let through, once.
  used_at timestamptz,
  budget text,
  limit_usd numeric,
  used_usd numeric -- what was spent and held with it
);
create unique index budget_overrides_open on budget_overrides (user_id) where used_at is null;
create index budget_overrides_of_user on budget_overrides (user_id, created_at desc);

-- {"budget": "day", "limit": 5, "until": "…"}: so much of it is used that pages say so, until it begins anew.
alter table accounts add column budget_notice jsonb;

create index receipts_counted_of_all on receipts (called_at) include (at_most_usd);
