-- serves 0034
-- After a restore nothing that may be paid for goes on by itself: it is parked, until the operator releases or cancels it.
alter table image_jobs add column parked_at timestamptz;
alter table replies add column parked_at timestamptz;
alter table news add column parked_at timestamptz;
