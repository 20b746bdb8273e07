-- serves 0034
-- gallery: an exhibit is known by its picture, too, without what its file carries beside it

alter table exhibits add column bare_sha256 bytea; -- null: not looked at yet
create index exhibits_by_bare on exhibits (bare_sha256);
create index exhibits_not_bare on exhibits (token) where bare_sha256 is null;
