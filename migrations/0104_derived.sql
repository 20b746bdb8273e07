-- serves 0034
-- How a picture was made here of another one, by arithmetic and for nothing: turned, cut out and the like, as data.
alter table pictures add column derived jsonb;
