import { randomUUID } from 'node:crypto'
import type { Db } from '../db/db.ts'

/** A conversation of `length` messages, question and answer by turns, each saying its number; gives its id. */
export async function insertLongConversation(db: Pick<Db, 'run'>, userId: number, length: number): Promise<string> {
  const id = randomUUID()
  const message = (number: string) => `md5(concat($1::uuid, ' ', ${number}))::uuid`
  await db.run(
    `insert into conversations (id, user_id, title, named_at, head)
     values ($1, $2, 'A long talk', now(), ${message('$3::int')})`,
    [id, userId, length],
  )
  await db.run(
    `insert into chat_messages (id, conversation_id, user_id, parent_id, role, text)
     select ${message('i')}, $1, $2, case when i > 1 then ${message('(i - 1)')} end,
       case when i % 2 = 1 then 'user' else 'assistant' end, case when i % 2 = 1 then 'question ' || i else '' end
     from generate_series(1, $3::int) i order by i`,
    [id, userId, length],
  )
  await db.run(
    `insert into replies (message_id, conversation_id, user_id, state, purpose, model, caller_address, caller_user_agent,
       finished_at, text, html, charged)
     select ${message('i')}, $1, $2, 'done', 'answer', 'gpt-5.4', '127.0.0.1', 'test', now(), 'answer ' || i,
       '<p>answer ' || i || '</p>' || repeat('<p>' || repeat('so many <strong>words</strong> ', 40) || '</p>', 2), 'yes'
     from generate_series(2, $3::int, 2) i`,
    [id, userId, length],
  )
  return id
}
