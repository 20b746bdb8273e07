import { z } from 'zod'
import type { Db } from '../db/db.ts'

// The gateway answers a person 240 times a minute on its panel, and 60 times about usage. What settles bills by itself
// leaves most of that to what people do: they come first.
const SETTLING_UP_TO = 120
const SETTLING_USAGE_UP_TO = 30

const counted = `insert into panel_calls as p (user_id, minute, calls, usage_calls)
  values ($1, date_trunc('minute', now()), $2, $3)
  on conflict (user_id) do update set minute = excluded.minute,
    calls = excluded.calls + case when p.minute = excluded.minute then p.calls else 0 end,
    usage_calls = excluded.usage_calls + case when p.minute = excluded.minute then p.usage_calls else 0 end`

/** What a person asks of the panel is counted and never held back here: the gateway has its own word on that. */
export async function countPanelCalls(db: Db, userId: number, calls: number, usageCalls = 0): Promise<void> {
  await db.run(counted, [userId, calls, usageCalls])
}

/** Takes a look at usage rows, and one call beside it, from what this minute leaves for settling; false when that is used up. */
export async function takeSettlingLook(db: Db, userId: number): Promise<boolean> {
  const taken = await db.maybeOne(
    z.object({ calls: z.number() }),
    `${counted}
     where p.minute <> excluded.minute or (p.calls + $2 <= $4 and p.usage_calls + $3 <= $5) returning calls`,
    [userId, 2, 1, SETTLING_UP_TO, SETTLING_USAGE_UP_TO],
  )
  return taken !== null
}

/** Of minutes that are over. */
export function deletePanelCalls(db: Db): Promise<number> {
  return db.run(`delete from panel_calls where minute < now() - interval '2 minutes'`)
}
