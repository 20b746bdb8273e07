-- serves 0034
-- images: when a person last had a picture made, found without looking through all of them
create index image_jobs_served on image_jobs (user_id, finished_at) where finished_at is not null and called_at is not null;
