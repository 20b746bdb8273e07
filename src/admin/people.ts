import { listReplyLines } from '../chat/admin-queries.ts'
import type { Db } from '../db/db.ts'
import { listJobLines } from '../images/admin-queries.ts'
import { listStorageUse } from '../library/admin-queries.ts'
import { listPeople, listPeopleById, type Person } from '../session/admin-queries.ts'
import { listSpent } from '../spend/admin-queries.ts'
import { joined } from './queue.ts'
import type { PeopleView, PersonView } from './view.ts'

const PEOPLE_PER_PAGE = 50

/** Who signed in last comes first, or who has stored most. `before`: `<milliseconds>.<id>` of the last one shown. */
export async function viewPeople(
  db: Db,
  wanted: { q: string; by: 'seen' | 'storage'; before: string },
): Promise<PeopleView> {
  const { q, by } = wanted
  if (by === 'storage') {
    const largest = await listStorageUse(db, PEOPLE_PER_PAGE)
    const found = await listPeopleById(
      db,
      largest.map(({ userId }) => userId),
    )
    const people = await withUse(db, found)
    return { q: '', by, people: people.toSorted((a, b) => b.bytes - a.bytes), older: null }
  }
  const [, at, id] = /^(\d{1,15})\.(\d{1,15})$/.exec(wanted.before) ?? []
  const before = at && id ? { at: new Date(Number(at)), id: Number(id) } : null
  const found = await listPeople(db, { q, before, limit: PEOPLE_PER_PAGE + 1 })
  const people = await withUse(db, found.slice(0, PEOPLE_PER_PAGE))
  const last = found.length > PEOPLE_PER_PAGE ? people.at(-1) : undefined
  const query = last && new URLSearchParams({ ...(q && { q }), before: `${last.signedInAt.getTime()}.${last.id}` })
  return { q, by, people, older: query ? `/admin/people?${query}` : null }
}

/** Null for who was never here. */
export async function viewPerson(db: Db, id: number): Promise<PersonView | null> {
  return (await withUse(db, await listPeopleById(db, [id])))[0] ?? null
}

async function withUse(db: Db, people: readonly Person[]): Promise<PersonView[]> {
  const ids = people.map(({ id }) => id)
  const [spent, stored, jobs, replies] = await Promise.all([
    listSpent(db, ids),
    listStorageUse(db, ids.length, ids),
    listJobLines(db, ids.length, ids),
    listReplyLines(db, ids.length, ids),
  ])
  const lines = joined([...jobs, ...replies])
  return people.map(person => {
    const money = spent.find(({ userId }) => userId === person.id)
    const use = stored.find(({ userId }) => userId === person.id)
    const line = lines.find(({ userId }) => userId === person.id)
    return {
      ...person,
      today: money?.today ?? 0,
      month: money?.month ?? 0,
      calls: money?.calls ?? 0,
      unsettled: money?.unsettled ?? 0,
      bytes: use?.bytes ?? 0,
      files: use?.files ?? 0,
      queued: line?.queued ?? 0,
      running: line?.running ?? 0,
    }
  })
}
