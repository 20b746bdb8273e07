-- Jobs are asked for by their mask: whether one was ever used.
create index image_jobs_by_mask on image_jobs (mask_id) where mask_id is not null;
