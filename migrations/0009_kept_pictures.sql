-- library: what was paid for is kept, also when it is no whole picture

alter table pictures
  -- preview: the last that was seen of a picture that never came; undecodable: bytes that nothing here can show
  add column condition text not null default 'whole'
    check (condition in ('whole', 'preview', 'incomplete', 'undecodable'));

alter table files
  -- Of the bytes as they came, kept beside those that are shown where these are a copy made of them.
  add column original_format text,
  add column original_bytes bigint,
  add check ((original_format is null) = (original_bytes is null));
