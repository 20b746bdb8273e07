-- Running jobs, and the few ended ones whose stored bytes are still to be filed.
create index image_jobs_leased on image_jobs (lease_until) where lease_until is not null;

-- Keys that the gateway told to wait.
create index image_jobs_told on image_jobs (key_id, retry_at) where retry_at is not null;
