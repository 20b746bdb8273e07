-- spend: calls of before the receipts that were charged, and whose amount was given up after a minute, are looked for once

update receipts set look_at = now()
  where certain and cost is null and usage_id is null and look_at is null and looks = 0;

-- What an older look said without the rows that it had found: nobody can decide by that, and it is looked for again.

update image_jobs set evidence = null
  where charged = 'unknown' and evidence->>'outcome' = 'unclear' and not evidence ? 'candidates';
