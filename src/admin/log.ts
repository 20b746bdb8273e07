import type { Db } from '../db/db.ts'
import { type Act, listActs } from '../operators/act-queries.ts'
import { emailsOf } from '../session/admin-queries.ts'
import type { ActView, LogView, PersonName } from './view.ts'

const ACTS_PER_PAGE = 50

/** What operators did, newest first. `before`: an id. */
export async function viewLog(db: Db, who: number | null, before: number | null): Promise<LogView> {
  const found = await listActs(db, { who, before, limit: ACTS_PER_PAGE + 1 })
  const acts = found.slice(0, ACTS_PER_PAGE)
  const last = found.length > ACTS_PER_PAGE ? acts.at(-1) : undefined
  const email = who === null ? null : ((await emailsOf(db, [who])).get(who) ?? null)
  const query = new URLSearchParams({ ...(who !== null && { who: String(who) }), before: String(last?.id) })
  return {
    acts: await viewActs(db, acts),
    who: who === null ? null : { id: who, email },
    older: last ? `/admin/log?${query}` : null,
  }
}

export async function viewActs(db: Db, acts: readonly Act[]): Promise<ActView[]> {
  const ids = acts.flatMap(({ adminId, userId }) => [adminId, userId]).filter(id => id !== null)
  const emails = await emailsOf(db, [...new Set(ids)])
  const named = (id: number | null): PersonName | null => (id === null ? null : { id, email: emails.get(id) ?? null })
  return acts.map(({ at, act, subject, reason, count, adminId, userId }) => {
    return { at, act, subject, reason, count, by: named(adminId), whom: named(userId) }
  })
}
