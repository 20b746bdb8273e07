import type { Db } from '../db/db.ts'

/** How a room lets go of a person who leaves for good. Each is safe to repeat; the row of the user is held meanwhile. */
export interface Leave {
  /** What there is that will be gone, by name, to be said before. */
  count?(db: Db, userId: number): Promise<Record<string, number>>
  /** At once: nobody sees anything of theirs, and nothing is begun for them any more. What is called goes on. */
  close?(tx: Db, userId: number): Promise<void>
  /** What is still under way, and is waited for. */
  countUnderWay?(tx: Db, userId: number): Promise<number>
  /** Their rows go, and what lies in the store is named as unwanted. */
  forget?(tx: Db, userId: number): Promise<void>
}
