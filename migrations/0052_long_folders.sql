-- serves 0034
-- library: folders are merged and given up, and the trash is emptied, as any other change of many pictures

alter table library_changes add column ended_folder jsonb; -- the folder that goes with it, as it was
