-- images: edits that ended while the line to the gateway was silent, in a way that previews may have prevented

drop index image_jobs_timed_out;
create index image_jobs_silent on image_jobs (finished_at)
  where failure_reason in ('timeout', 'gateway_down') and reference_tokens <> '{}' and previews = 0;
