-- An answer asked for again has the key of the form that asked, as a question has.
alter table chat_messages drop constraint chat_messages_check;
alter table chat_messages add constraint submission_of_a_form check (role <> 'tool' or submission is null);
