import { z } from 'zod'
import type { Db } from '../db/db.ts'

const Announcement = z.object({
  id: z.string(),
  /** Plain text; one of the two may be empty. */
  en: z.string(),
  zh: z.string(),
  startsAt: z.date(),
  /** Null: until it is withdrawn. */
  endsAt: z.date().nullable(),
  withdrawnAt: z.date().nullable(),
})
export type Announcement = z.output<typeof Announcement>

/** Those that are told now, or will be; the newest first. */
export function listStanding(db: Db): Promise<Announcement[]> {
  return db.many(
    Announcement,
    `select * from announcements where withdrawn_at is null and (ends_at is null or ends_at > now())
     order by starts_at desc, id limit 20`,
  )
}

export function listAnnouncements(db: Db, limit: number): Promise<Announcement[]> {
  return db.many(Announcement, `select * from announcements order by created_at desc, id limit $1`, [limit])
}

/** Moments as they are written in a form, `2026-11-26T22:00`, in this zone; null: at once, and without an end. */
interface When {
  from: string | null
  until: string | null
  zone: string
}

/** False where it would end before it begins. The same id is announced once. */
export async function insertAnnouncement(
  tx: Db,
  { id, en, zh }: Pick<Announcement, 'id' | 'en' | 'zh'>,
  { from, until, zone }: When,
): Promise<'new' | 'known' | 'over'> {
  const { isOver } = await tx.one(
    z.object({ isOver: z.boolean() }),
    `select coalesce(($2::timestamp at time zone $3) <= greatest(now(), $1::timestamp at time zone $3), false) as is_over`,
    [from, until, zone],
  )
  if (isOver) return 'over'
  const inserted = await tx.run(
    `insert into announcements (id, en, zh, starts_at, ends_at)
     values ($1, $2, $3, coalesce($4::timestamp at time zone $6, now()), $5::timestamp at time zone $6)
     on conflict (id) do nothing`,
    [id, en, zh, from, until, zone],
  )
  return inserted === 1 ? 'new' : 'known'
}

/** False when it was withdrawn before. */
export async function withdrawAnnouncement(tx: Db, id: string): Promise<boolean> {
  const changed = await tx.run(`update announcements set withdrawn_at = now() where id = $1 and withdrawn_at is null`, [
    id,
  ])
  return changed === 1
}

/** Nothing for one that does not exist. */
export async function dismiss(db: Db, userId: number, announcementId: string): Promise<void> {
  await db.run(
    `insert into announcement_dismissals (announcement_id, user_id) select id, $2 from announcements where id = $1
     on conflict do nothing`,
    [announcementId, userId],
  )
}

/** Which of these a person has put away. */
export async function listDismissed(db: Db, userId: number, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db.many(
    z.object({ id: z.string() }),
    `select announcement_id as id from announcement_dismissals where user_id = $1 and announcement_id = any($2::uuid[])`,
    [userId, ids],
  )
  return new Set(rows.map(({ id }) => id))
}

/** Of those that have long been over. */
export async function deleteOldDismissals(db: Db, days: number): Promise<number> {
  return db.run(
    `delete from announcement_dismissals d using announcements a
     where a.id = d.announcement_id and coalesce(a.withdrawn_at, a.ends_at) < now() - make_interval(days => $1)`,
    [days],
  )
}

const Maintenance = z.object({ since: z.date(), until: z.date().nullable() })
/** Nothing new is begun; `until`: when that is thought to end. */
export type Maintenance = z.output<typeof Maintenance>

/** As it stands: for who only tells of it. */
export function findMaintenance(db: Db): Promise<Maintenance | null> {
  return db.maybeOne(Maintenance, `select since, until from maintenance where since is not null`)
}

/** For who begins something: what is answered holds until the transaction ends. */
export function holdMaintenance(tx: Db): Promise<Maintenance | null> {
  return tx.maybeOne(Maintenance, `select * from maintenance_now()`)
}

/** Waits for all that are beginning something. `until` as of `When`; of one that has begun it is changed. */
export async function beginMaintenance(tx: Db, { until, zone }: Omit<When, 'from'>): Promise<void> {
  await tx.run(`select pg_advisory_xact_lock(743055, 0)`)
  await tx.run(`update maintenance set since = coalesce(since, now()), until = $1::timestamp at time zone $2`, [
    until,
    zone,
  ])
}

/** False when there was none. */
export async function endMaintenance(tx: Db): Promise<boolean> {
  return (await tx.run(`update maintenance set since = null, until = null where since is not null`)) === 1
}
