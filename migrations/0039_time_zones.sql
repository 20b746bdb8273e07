-- serves 0034
-- account: in which zone the days and months of a person's money are counted, as IANA names it; null: nobody has said

alter table accounts add column time_zone text;
