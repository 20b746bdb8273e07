-- serves 0034
-- account: which kinds of advice before paying the person does not want to see

alter table accounts add column hushed_advice text[] not null default '{}';
