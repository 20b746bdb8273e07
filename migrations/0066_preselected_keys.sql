-- serves 0034
-- A key that was chosen for a person who had not chosen one, and why: said until they choose, or pay with it.
alter table accounts add column key_why text check (key_why in ('pictures', 'plan', 'cheapest'));
