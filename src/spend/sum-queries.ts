import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { Grouping, Period } from './period.ts'

const Sums = z.object({
  calls: z.number(),
  /** US dollars in decimals, as they are kept: sums of them are exact. */
  usd: z.string(),
  guessedUsd: z.string(),
  guessedPaidUsd: z.string(),
  unsettled: z.number(),
  unsettledUsd: z.string(),
  unknown: z.number(),
  unknownUsd: z.string(),
})
export type Sums = z.output<typeof Sums>

const Group = Sums.extend({
  /** What they have in common; null for all together. */
  isAll: z.boolean(),
  /** Null: asked by a person, in no conversation, or with a key that is not known any more. */
  id: z.string().nullable(),
  name: z.string().nullable(),
})
export type Group = z.output<typeof Group>

const sums = `sum(calls)::int as calls, sum(usd)::text as usd, sum(guessed_usd)::text as guessed_usd,
  sum(guessed_paid_usd)::text as guessed_paid_usd, sum(unsettled)::int as unsettled,
  sum(unsettled_usd)::text as unsettled_usd, sum(unknown)::int as unknown, sum(unknown_usd)::text as unknown_usd`
const columns: Record<Grouping, { id: string; name: string }> = {
  day: { id: 'day', name: 'day::text' },
  key: { id: 'key_id', name: 'max(key_name)' },
  model: { id: 'model', name: 'model' },
  kind: { id: 'kind', name: 'kind' },
  who: { id: 'ssh_key_id', name: 'max(ssh_key_name)' },
  conversation: { id: 'conversation_id', name: 'null' },
}

/** The sums of each group, and of all, which comes last; without calls nothing comes. */
export function listSums(db: Db, userId: number, { from, until }: Period, by: Grouping): Promise<Group[]> {
  const { id, name } = columns[by]
  return db.many(
    Group,
    `select grouping(${id}) = 1 as is_all, ${id}::text as id, ${name} as name, ${sums} from spend_days
     where user_id = $1 and day between $2 and $3 and calls > 0
     group by grouping sets ((${id}), ()) having sum(calls) > 0
     order by grouping(${id}), ${by === 'day' ? id : 'sum(usd) desc, 2'}`,
    [userId, from, until],
  )
}

const InConversation = z.object({ usd: z.coerce.number(), open: z.number() })

/** US dollars that the calls of a conversation were billed, and how many may still be: they were not settled yet. */
export function sumConversation(db: Db, userId: number, id: string): Promise<z.output<typeof InConversation>> {
  return db.one(
    InConversation,
    `select coalesce(sum(amount) filter (where charged <> 'no'), 0) as usd,
       count(*) filter (where amount is null and charged <> 'no')::int as open
     from receipts where conversation_id = $2 and user_id = $1`,
    [userId, id],
  )
}

/** What conversations were called when something was last asked in them. */
export async function listTitles(db: Db, userId: number, ids: readonly string[]): Promise<Map<string, string | null>> {
  const rows = await db.many(
    z.object({ id: z.string(), title: z.string().nullable() }),
    `select asked.id, last.title from unnest($2::uuid[]) asked (id) cross join lateral (
       select conversation_title as title from receipts where conversation_id = asked.id and user_id = $1
       order by called_at desc limit 1) last`,
    [userId, ids],
  )
  return new Map(rows.map(({ id, title }) => [id, title]))
}
