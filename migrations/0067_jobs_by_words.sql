-- serves 0034
-- The history of Create is searched by the words of its prompts, as the library is.
create index image_jobs_search on image_jobs using gin (user_id, search_text(prompt) gin_trgm_ops)
  with (gin_pending_list_limit = 256);
