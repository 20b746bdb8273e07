import { replyLeases } from '../chat/answer/claim-queries.ts'
import { giveUpParked } from '../chat/parked.ts'
import type { Database, Db } from '../db/db.ts'
import { jobLeases } from '../images/claim-queries.ts'
import { cancelParked } from '../images/parked-queries.ts'
import { newsLeases } from '../work/news-queries.ts'

/** How much waits for the operator since a restore; `news`: what would follow pictures and answers that have ended. */
export interface Parked {
  pictures: number
  answers: number
  news: number
}

/** All that may be paid for stands still, whatever it was doing when the backup was made. */
export async function park(tx: Db): Promise<Parked> {
  return {
    pictures: await jobLeases.park(tx),
    answers: await replyLeases.park(tx),
    news: await newsLeases.park(tx),
  }
}

export async function countParked(db: Db): Promise<Parked> {
  return {
    pictures: await jobLeases.countParked(db),
    answers: await replyLeases.countParked(db),
    news: await newsLeases.countParked(db),
  }
}

/** It goes on: what was not sent when the backup was made is sent, be it for the second time. */
export function releaseParked(db: Database): Promise<void> {
  return db.transaction(async tx => {
    await jobLeases.release(tx)
    await replyLeases.release(tx)
    await newsLeases.release(tx)
  })
}

/** It ends, and nobody knows whether it was paid for after the backup. */
export function cancelAllParked(db: Database): Promise<void> {
  return db.transaction(async tx => giveUpParked(tx, await cancelParked(tx)))
}
