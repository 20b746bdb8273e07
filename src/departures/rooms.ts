import * as agents from '../agents/leave.ts'
import * as chat from '../chat/leave.ts'
import type { Db } from '../db/db.ts'
import * as exports from '../exports/leave.ts'
import * as gallery from '../gallery/leave.ts'
import * as images from '../images/leave.ts'
import * as imports from '../imports/leave.ts'
import * as library from '../library/leave.ts'
import * as operators from '../operators/leave.ts'
import * as session from '../session/leave.ts'
import * as spend from '../spend/leave.ts'

// Who leans on others lets go before them; the user is the last. What has no door goes with the user's row.
const rooms = [exports, imports, gallery, agents, chat, images, library, spend, operators, session].map(
  ({ leave }) => leave,
)

export async function countAll(db: Db, userId: number): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const room of rooms) Object.assign(counts, await room.count?.(db, userId))
  return counts
}

export async function closeAll(tx: Db, userId: number): Promise<void> {
  for (const room of rooms) await room.close?.(tx, userId)
}

export async function countUnderWay(tx: Db, userId: number): Promise<number> {
  let count = 0
  for (const room of rooms) count += (await room.countUnderWay?.(tx, userId)) ?? 0
  return count
}

export async function forgetAll(tx: Db, userId: number): Promise<void> {
  for (const room of rooms) await room.forget?.(tx, userId)
}
