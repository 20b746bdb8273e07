import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { ReceiptKind } from './queries.ts'

// Rows of `reservations` come and go with the rows that they stand for, by triggers: nothing here writes them but the sweep.

const Held = z.object({ usd: z.coerce.number(), hasUnbounded: z.boolean() })
/** US dollars at the dearest that can be billed; `hasUnbounded`: some of it is billed by tokens, and may be more. */
export type Held = z.output<typeof Held>

/** What is held for all of a person's calls that wait, are under way, or whose bill is about to come. */
export function findHeld(db: Db, userId: number): Promise<Held> {
  return db.one(
    Held,
    `select coalesce(sum(usd), 0) as usd, coalesce(bool_or(not is_bounded), false) as has_unbounded from (
       select coalesce(dearest, expected) as usd, dearest is not null as is_bounded from reservations where user_id = $1
       union all select at_most_usd, is_bounded from receipts where user_id = $1 and ${isOpen}) held`,
    [userId],
  )
}

/** Of a receipt: its bill is still to come, as far as anybody looks for it. As its index has it. */
export const isOpen = `amount is null and charged <> 'no' and (ended_at is null or look_at is not null)`

const UNHEARD_OF = 0.1

/** What an answer of this model may come to, in US dollars: as the dearest one of this person did in the last month. */
export function expectedOfAnswer(db: Db, userId: number, model: string): Promise<number> {
  return expectedOf(db, userId, 'answer', model)
}

/** The same of whatever kind of words. */
export async function expectedOf(db: Db, userId: number, kind: ReceiptKind, model: string): Promise<number> {
  return (await mapDearest(db, userId, kind)).get(model) || UNHEARD_OF
}

/** By model: what the dearest call of this kind came to in the last month, in US dollars. */
export async function mapDearest(db: Db, userId: number, kind: ReceiptKind): Promise<Map<string, number>> {
  const rows = await db.many(
    z.object({ model: z.string(), usd: z.coerce.number() }),
    `select model, max(amount) as usd from receipts
     where user_id = $1 and called_at > now() - interval '30 days' and kind = $2 and amount is not null group by model`,
    [userId, kind],
  )
  return new Map(rows.map(({ model, usd }) => [model, usd]))
}

/** Lets go of what no row stands for any more, as after a repair by hand. */
export async function sweepReservations(db: Db): Promise<number> {
  const { swept } = await db.one(z.object({ swept: z.number() }), `select sweep_reservations() as swept`)
  return swept
}
