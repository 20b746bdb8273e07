import type { Db } from '../db/db.ts'
import { lockOfPerson } from '../db/locks.ts'
import type { Deps } from '../deps.ts'
import { Refusal } from '../web/errors.ts'
import { binarySize } from '../web/text.ts'
import { sumBytes } from './storage-queries.ts'

/** Throws `Refusal` 409 where a person's files take all the room that they have: before anything is paid for. */
export async function refuseWhenFull(deps: Pick<Deps, 'config'> & { db: Db }, userId: number): Promise<void> {
  refuseBeyond(deps, await sumBytes(deps.db, userId))
}

/** The same of `used` bytes, where they are known. */
export function refuseBeyond({ config }: Pick<Deps, 'config'>, used: number): void {
  if (used >= config.limits.storagePerUser) throw noRoom({ config })
}

export function noRoom({ config }: Pick<Deps, 'config'>): Refusal {
  return new Refusal(409, 'library.storage.full', { limit: binarySize(config.limits.storagePerUser) })
}

/** Whoever has it is alone in taking room for this person's files: two that fit one by one do not both come in. */
export const storageLock = lockOfPerson('storage', 743_061)

/** Whether so many bytes more have a place; in a transaction that holds `storageLock` they keep it. */
export async function hasRoomFor(
  deps: Pick<Deps, 'config'> & { db: Db },
  userId: number,
  bytes: number,
): Promise<boolean> {
  return (await sumBytes(deps.db, userId)) + bytes <= deps.config.limits.storagePerUser
}
