-- Paid pictures that the store did not take wait on the worker that asked for them.
alter table image_jobs
  add spilled_by uuid, -- the data directory that keeps them; no other worker ends the job
  add made_at timestamptz; -- the call is over: nothing more will come, all that came is safe
create index image_jobs_spilled on image_jobs (spilled_by) where spilled_by is not null;
