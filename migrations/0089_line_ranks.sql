-- serves 0034
-- What a person has moved about among their own waiting pictures: the lowest goes first, equal ones as they were asked for.
alter table image_jobs add column line_rank integer not null default 0;
