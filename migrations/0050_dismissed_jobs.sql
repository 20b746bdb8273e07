-- serves 0034
-- Calls that came to nothing may be put out of the way: they stay at their address, with their receipts.
alter table image_jobs add column dismissed_at timestamptz;
create index image_jobs_dismissed on image_jobs (user_id, dismissed_at) where dismissed_at is not null;
