import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { leases } from '../work/leases.ts'
import { applyTo, type Change, deeds, endFolder, putBack } from './change-queries.ts'

export const ClaimedChange = z.object({ id: z.string(), userId: z.number(), did: z.enum(deeds), claim: z.string() })
/** A change of very many pictures that this process makes. */
export type ClaimedChange = z.output<typeof ClaimedChange>

export const changeLeases = leases({ table: 'library_changes', id: 'id', row: ClaimedChange, lock: 741_081 })

// Short enough that progress is seen, and that whoever else changes one of them does not wait.
const PART = 500

/** Leaves it to the workers; `count`: how many pictures of a list it is about. */
export async function queueChange(tx: Db, id: string, count: number): Promise<void> {
  await tx.run(
    `update library_changes set state = 'queued', count = $2, total = (select count(*) from library_changed where change_id = $1)
     where id = $1`,
    [id, count],
  )
}

const Held = z.object({
  did: z.enum(deeds),
  folderId: z.string().nullable(),
  tags: z.array(z.string()).nullable(),
  /** The folder that goes with it. */
  from: z.string().nullable(),
  undoes: z.boolean(),
  through: z.string().nullable(),
  isStopped: z.boolean(),
})

/**
 * Does its next part, or puts the next part back: with what was remembered, in one transaction. False at its end, when it was stopped,
 * and when the claim does not hold any more.
 */
export async function doPart(tx: Db, { id, userId, claim }: ClaimedChange): Promise<boolean> {
  const held = await tx.maybeOne(
    Held,
    `select did, folder_id, tags, ended_folder ->> 'id' as from, undoes, through, cancel_requested_at is not null as is_stopped from library_changes
     where id = $1 and claim = $2 and state = 'running' for update`,
    [id, claim],
  )
  if (!held) return false
  if (held.isStopped || !(await hasPlace(tx, userId, held))) return end(tx, id, 'stopped')
  const ids = await listPart(tx, id, held.undoes ? null : held.through)
  const change = changeOf(held)
  if (ids.length === 0) {
    if ('from' in change && !held.undoes) await endFolder(tx, userId, change)
    return end(tx, id, held.undoes ? 'undone' : 'done')
  }
  await tx.run(`select from pictures where user_id = $1 and id = any($2::uuid[]) order by id for update`, [userId, ids])
  if (held.undoes && change.did !== 'empty') {
    await putBack(tx, userId, id, change.did, ids)
    await tx.run(`delete from library_changed where change_id = $1 and picture_id = any($2::uuid[])`, [id, ids])
  } else {
    // What is emptied was in the trash when it was counted, or is left alone.
    if (change.did !== 'empty') await remember(tx, id, ids)
    await applyTo(tx, userId, id, ids, change)
  }
  await tx.run(
    `update library_changes set done = done + $2, through = $3, version = version + 1,
       lease_until = greatest(lease_until, now() + interval '10 seconds')
     where id = $1`,
    [id, ids.length, ids.at(-1)],
  )
  return true
}

function changeOf({ did, folderId, tags, from }: z.output<typeof Held>): Change {
  if (did === 'merge' || did === 'dissolve') return { did, folderId, from: from ?? '' }
  if (did === 'move') return { did, folderId }
  if (did === 'tag' || did === 'untag') return { did, tags: tags ?? [] }
  if (did === 'describe') return { did, folderId, tags: tags ?? [] }
  return { did }
}

/** The folder that they move to may be gone meanwhile. */
async function hasPlace(tx: Db, userId: number, { folderId, undoes }: z.output<typeof Held>): Promise<boolean> {
  if (!folderId || undoes) return true
  return (await tx.run(`select from folders where id = $1 and user_id = $2 for key share`, [folderId, userId])) === 1
}

async function listPart(tx: Db, id: string, after: string | null): Promise<string[]> {
  const rows = await tx.many(
    z.object({ id: z.string() }),
    `select picture_id as id from library_changed where change_id = $1 and ($2::uuid is null or picture_id > $2)
     order by picture_id limit ${PART}`,
    [id, after],
  )
  return rows.map(row => row.id)
}

/** As they are now: some may have changed since they were selected. */
async function remember(tx: Db, id: string, ids: readonly string[]): Promise<void> {
  await tx.run(
    `update library_changed c set favourite = p.favourite, folder_id = p.folder_id, tags = p.tags, deleted_at = p.deleted_at
     from pictures p where c.change_id = $1 and c.picture_id = any($2::uuid[]) and p.id = c.picture_id`,
    [id, ids],
  )
}

async function end(tx: Db, id: string, state: 'done' | 'stopped' | 'undone'): Promise<false> {
  await tx.run(
    `update library_changes set state = $2, version = version + 1, claim = null, lease_until = null, made_at = now() where id = $1`,
    [id, state],
  )
  return false
}

/** After the part that is under way; false when there is nothing to stop. */
export async function stopChange(db: Db, userId: number, id: string): Promise<boolean> {
  const stopped = await db.run(
    `update library_changes set version = version + 1, cancel_requested_at = now(),
       state = case when state = 'queued' then 'stopped' else state end
     where id = $1 and user_id = $2 and state in ('queued', 'running')`,
    [id, userId],
  )
  return stopped === 1
}
