-- chat: pictures that an answer itself brought are its attachments

alter table chat_attachments
  add column is_preview boolean not null default false; -- of a picture that never came
