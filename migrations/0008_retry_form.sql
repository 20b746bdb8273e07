alter table image_jobs add column form uuid; -- key of the button that asked for it again; null otherwise
