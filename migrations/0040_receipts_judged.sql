-- serves 0034
-- spend: what a receipt needs to be judged by itself: the price list that the estimate was made from, and how it ended

alter table image_jobs add column prices jsonb; -- US dollars a picture by tier, when it was asked for; null: not known
alter table receipts
  add column prices jsonb, -- the same
  add column reason text; -- why it did not end well
update receipts r set reason = j.failure_reason from image_jobs j where r.kind = 'picture' and j.id = r.subject;
update receipts r set reason = a.failure_reason from replies a where r.kind = 'answer' and a.message_id = r.subject;
