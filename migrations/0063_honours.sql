-- serves 0034
-- spend: whether a key does as it is told, by parameter, learnt from what was asked and what came

alter table receipts add column previews_came integer; -- null: not told

create table honours (
  user_id bigint not null references users on delete cascade,
  key_id bigint not null,
  key_group text not null, -- empty: not known
  model text not null,
  parameter text not null check (parameter in ('size', 'n', 'quality', 'format', 'background', 'previews')),
  samples integer not null,
  recent text not null, -- the last five, a letter each: h as asked, c changed, i ignored
  verdict text not null check (verdict in ('unknown', 'honoured', 'changed', 'ignored')),
  since timestamptz not null,
  -- Of the last that did not come as asked.
  asked text not null,
  came text not null,
  primary key (user_id, key_id, key_group, model, parameter)
);

-- What is known of it, where every page that asks for a picture has it at hand: it changes with a verdict only.
alter table accounts add column honours jsonb not null default '[]';
