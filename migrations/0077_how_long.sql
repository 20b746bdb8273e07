-- spend: how long the calls of a person took lately, found without looking through all of them

create index receipts_lately on receipts (user_id, model, called_at desc)
  where kind = 'picture' and charged = 'yes' and reason is null and ended_at is not null;
