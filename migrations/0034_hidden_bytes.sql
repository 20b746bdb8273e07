-- gallery: what an operator hides are bytes, whoever has them and under whichever name

alter table exhibits add column sha256 bytea;
update exhibits e set sha256 = f.sha256 from files f where f.token = e.token;
alter table exhibits alter column sha256 set not null;
create index exhibits_by_bytes on exhibits (sha256);

create table gallery_hidden (
  sha256 bytea primary key, -- of bytes that nobody may show
  because_of bytea not null -- of those that were hidden: the same picture, but for what files carry beside it
);
create index gallery_hidden_by_cause on gallery_hidden (because_of);

insert into gallery_hidden (sha256, because_of)
select distinct f.sha256, f.sha256
from (select distinct on (picture_id) picture_id, did from gallery_audit where did <> 'dismiss' order by picture_id, id desc) last
join pictures p on p.id = last.picture_id join files f on f.token = p.token
where last.did = 'hide';
