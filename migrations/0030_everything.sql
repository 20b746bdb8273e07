-- exports: everything of a person as one file, papers beside the pictures

alter table exports add column kind text not null default 'pictures' check (kind in ('pictures', 'everything'));
-- Of what is worded in it.
alter table exports add column language text not null default 'en';
-- No picture: written for this export alone, and gone with it.
alter table export_files add column is_paper boolean not null default false;
