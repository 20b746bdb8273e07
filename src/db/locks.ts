import { z } from 'zod'
import type { Db } from './db.ts'

/** An advisory lock over all processes, until the transaction ends. */
export interface Lock {
  name: string
  /** False, at once, where somebody else has it. */
  take(tx: Db, userId: number): Promise<boolean>
  /** Waits until nobody else has it: for what is soon over. */
  wait(tx: Db, userId: number): Promise<void>
}

/** Of one person: others have theirs. `number` is any that nothing else locks with. */
export function lockOfPerson(name: string, number: number): Lock {
  return { name, take: (tx, userId) => tryLock(tx, number, userId), wait: (tx, userId) => lock(tx, number, userId) }
}

/** Of all people together. */
export function lockOfAll(name: string, number: number): Lock {
  return { name, take: tx => tryLock(tx, number, 0), wait: tx => lock(tx, number, 0) }
}

async function lock(tx: Db, number: number, whose: number): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock($1, case when $2 = 0 then 0 else hashint8($2) end)`, [number, whose])
}

async function tryLock(tx: Db, number: number, whose: number): Promise<boolean> {
  const { taken } = await tx.one(
    z.object({ taken: z.boolean() }),
    `select pg_try_advisory_xact_lock($1, case when $2 = 0 then 0 else hashint8($2) end) as taken`,
    [number, whose],
  )
  return taken
}
