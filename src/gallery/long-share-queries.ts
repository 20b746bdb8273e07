import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { leases } from '../work/leases.ts'
import type { Hung } from './queries.ts'

export const ClaimedShare = z.object({
  id: z.string(),
  userId: z.number(),
  isListed: z.boolean(),
  withPrompt: z.boolean(),
  withSettings: z.boolean(),
  days: z.number().nullable(),
  done: z.number(),
  claim: z.string(),
})
/** Very many pictures that this process shows. */
export type ClaimedShare = z.output<typeof ClaimedShare>

export const shareLeases = leases({ table: 'gallery_shares', id: 'id', row: ClaimedShare, lock: 741_091 })

const Share = z.object({
  id: z.string(),
  state: z.enum(['asked', 'queued', 'running', 'done', 'stopped', 'undone']),
  isListed: z.boolean(),
  total: z.number(),
  done: z.number(),
  leftOut: z.number(),
})
export type Share = z.output<typeof Share>

const columns = 'id, state, is_listed, total, done, left_out'

/** A question that nobody has answered yet: these, in this order. */
export async function insertShare(tx: Db, userId: number, pictureIds: readonly string[]): Promise<string> {
  const { id } = await tx.one(
    z.object({ id: z.string() }),
    `insert into gallery_shares (user_id, total) values ($1, $2) returning id`,
    [userId, pictureIds.length],
  )
  await tx.run(
    `insert into gallery_share_pictures (share_id, place, picture_id)
     select $1, place, id from unnest($2::uuid[]) with ordinality as wanted (id, place)`,
    [id, pictureIds],
  )
  return id
}

export function findShare(db: Db, userId: number, id: string): Promise<Share | null> {
  return db.maybeOne(Share, `select ${columns} from gallery_shares where id = $1 and user_id = $2`, [id, userId])
}

/** What is under way, or can be taken back, the newest first. */
export function listShares(db: Db, userId: number): Promise<Share[]> {
  return db.many(
    Share,
    `select ${columns} from gallery_shares where user_id = $1 and state not in ('asked', 'undone')
     order by created_at desc limit 20`,
    [userId],
  )
}

/** Ids of its pictures behind this place; all of them without a limit. */
export async function listSharePictures(
  db: Db,
  id: string,
  { after, limit }: { after: number; limit: number | null },
): Promise<string[]> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select picture_id as id from gallery_share_pictures where share_id = $1 and place > $2 order by place limit $3`,
    [id, after, limit],
  )
  return rows.map(row => row.id)
}

export type Terms = Pick<ClaimedShare, 'isListed' | 'withPrompt' | 'withSettings' | 'days'>

/** The answer, for the workers. False where it was given before. */
export async function queueShare(tx: Db, userId: number, id: string, terms: Terms): Promise<boolean> {
  const { isListed, withPrompt, withSettings, days } = terms
  const queued = await tx.run(
    `update gallery_shares set state = 'queued', is_listed = $3, with_prompt = $4, with_settings = $5, days = $6,
       version = version + 1, made_at = now()
     where id = $1 and user_id = $2 and state = 'asked'`,
    [id, userId, isListed, withPrompt, withSettings, days],
  )
  return queued === 1
}

/** Whether the claim holds until the end of the transaction, or its person wants no more; null when it does not hold. */
export function holdShare(tx: Db, { id, claim }: ClaimedShare): Promise<{ isStopped: boolean; done: number } | null> {
  return tx.maybeOne(
    z.object({ isStopped: z.boolean(), done: z.number() }),
    `select cancel_requested_at is not null as is_stopped, done from gallery_shares
     where id = $1 and claim = $2 and state = 'running' for update`,
    [id, claim],
  )
}

/** After a part of it: what hangs now of the `count` that were next. */
export async function advanceShare(tx: Db, id: string, count: number, hung: readonly Hung[]): Promise<void> {
  const rows = hung.map(({ id: exhibit_id, pictureId, before }) => ({ picture_id: pictureId, exhibit_id, before }))
  await tx.run(
    `update gallery_share_pictures s set exhibit_id = h.exhibit_id, before = h.before
     from jsonb_to_recordset($2::jsonb) as h (picture_id uuid, exhibit_id uuid, before jsonb), gallery_shares g
     where s.share_id = $1 and g.id = $1 and s.place > g.done and s.place <= g.done + $3 and s.picture_id = h.picture_id`,
    [id, JSON.stringify(rows), count],
  )
  await tx.run(
    `update gallery_shares set done = done + $2, left_out = left_out + $3, version = version + 1,
       lease_until = greatest(lease_until, now() + interval '10 seconds')
     where id = $1`,
    [id, count, count - hung.length],
  )
}

export async function endShare(tx: Db, id: string, state: 'done' | 'stopped'): Promise<void> {
  await tx.run(
    `update gallery_shares set state = $2, version = version + 1, claim = null, lease_until = null, made_at = now() where id = $1`,
    [id, state],
  )
}

/** After the part that is under way; false when there is nothing to stop. */
export async function stopShare(db: Db, userId: number, id: string): Promise<boolean> {
  const stopped = await db.run(
    `update gallery_shares set version = version + 1, cancel_requested_at = now(),
       state = case when state = 'queued' then 'stopped' else state end
     where id = $1 and user_id = $2 and state in ('queued', 'running')`,
    [id, userId],
  )
  return stopped === 1
}

const undone = `state = 'undone', version = version + 1, claim = null, lease_until = null`

/**
 * Takes back what it made public, all of it at once, and goes no further; what hung before shows what it showed before. False where
 * there is nothing to take back.
 */
export async function undoShare(tx: Db, userId: number, id: string): Promise<boolean> {
  const changed = await tx.run(
    `update gallery_shares set ${undone} where id = $1 and user_id = $2 and state not in ('asked', 'undone')`,
    [id, userId],
  )
  if (changed === 0) return false
  await tx.run(
    `delete from exhibits e using gallery_share_pictures s
     where s.share_id = $1 and s.before is null and e.id = s.exhibit_id and e.user_id = $2`,
    [id, userId],
  )
  await tx.run(
    `update exhibits e set prompt = s.before ->> 'prompt', settings = nullif(s.before -> 'settings', 'null')
     from gallery_share_pictures s where s.share_id = $1 and s.before is not null and e.id = s.exhibit_id and e.user_id = $2`,
    [id, userId],
  )
  await tx.run(`delete from gallery_share_pictures where share_id = $1`, [id])
  return true
}

/** Everything that is public of somebody, and what was on its way to be. */
export async function withdrawAll(tx: Db, userId: number): Promise<void> {
  // First: from then on no worker shows any more of it.
  await tx.run(`update gallery_shares set ${undone} where user_id = $1 and state <> 'undone'`, [userId])
  await tx.run(`delete from exhibits where user_id = $1`, [userId])
}

/** What nobody has answered, and what is not to be taken back as a whole any more. */
export function deleteOldShares(db: Db): Promise<number> {
  return db.run(
    `delete from gallery_shares where made_at < now() - interval '1 day' and state not in ('queued', 'running')`,
  )
}
