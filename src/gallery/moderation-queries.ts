import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { recordAct } from '../operators/act-queries.ts'
import type { Exhibit } from './queries.ts'

export const reasons = ['illegal', 'sexual', 'violence', 'person', 'rights', 'spam', 'other'] as const

const Report = z.object({
  exhibitId: z.string(),
  userId: z.number(),
  reason: z.enum(reasons),
  words: z.string(),
  toldAt: z.date(),
  closedAt: z.date().nullable(),
})
export type Report = z.output<typeof Report>

export function findReport(db: Db, exhibitId: string, userId: number): Promise<Report | null> {
  return db.maybeOne(Report, `select * from gallery_reports where exhibit_id = $1 and user_id = $2`, [
    exhibitId,
    userId,
  ])
}

/** The one report of this person, as they tell it now; open again where it was closed. */
export async function upsertReport(
  db: Db,
  report: Pick<Report, 'exhibitId' | 'userId' | 'reason' | 'words'>,
): Promise<void> {
  await db.run(
    `insert into gallery_reports (exhibit_id, user_id, reason, words) values ($1, $2, $3, $4)
     on conflict (exhibit_id, user_id) do update set reason = $3, words = $4, told_at = clock_timestamp(), closed_at = null`,
    [report.exhibitId, report.userId, report.reason, report.words],
  )
}

const Reported = z.object({
  id: z.string(),
  authorName: z.string(),
  prompt: z.string().nullable(),
  isListed: z.boolean(),
  hiddenBecause: z.string().nullable(),
  width: z.number(),
  height: z.number(),
  reports: z.array(z.object({ reason: z.enum(reasons), words: z.string(), toldAt: z.coerce.date() })),
})
/** An exhibit that somebody reported, or that is hidden; its open reports, oldest first. */
export type Reported = z.output<typeof Reported>

const reported = `e.id, x.name as author_name, e.prompt, e.is_listed, e.hidden_because, e.width, e.height`

/** What waits for an operator, what was told first before the others. */
export function listReported(db: Db, limit: number): Promise<Reported[]> {
  return db.many(
    Reported,
    `select ${reported}, jsonb_agg(jsonb_build_object('reason', r.reason, 'words', r.words, 'toldAt', r.told_at)
       order by r.told_at) as reports
     from gallery_reports r join exhibits e on e.id = r.exhibit_id join exhibitors x on x.user_id = e.user_id
     where r.closed_at is null group by e.id, x.user_id order by min(r.told_at) limit $1`,
    [limit],
  )
}

/** Exhibits that somebody reported and nobody has judged. */
export async function countOpenReports(db: Db): Promise<number> {
  const { count } = await db.one(
    z.object({ count: z.number() }),
    `select count(distinct exhibit_id) as count from gallery_reports where closed_at is null`,
  )
  return count
}

export function listHidden(db: Db, limit: number): Promise<Reported[]> {
  return db.many(
    Reported,
    `select ${reported}, '[]'::jsonb as reports from exhibits e join exhibitors x using (user_id)
     where e.hidden_because is not null order by e.created_at desc, e.id desc limit $1`,
    [limit],
  )
}

/**
 * Writes down who did it, hides it or shows it again, and closes its reports: all that show the same bytes, whosever they are.
 * `bare`: the checksum of the same picture without what its file carries beside it.
 */
export async function judge(
  tx: Db,
  adminId: number,
  exhibit: Exhibit,
  did: 'hide' | 'show' | 'dismiss',
  { reason, bare }: { reason: string; bare: Buffer | null },
): Promise<void> {
  await recordAct(tx, adminId, { act: did, userId: exhibit.userId, subject: exhibit.pictureId, reason })
  if (did === 'hide') await hide(tx, exhibit.sha256, [exhibit.sha256, ...(bare ? [bare] : [])], reason)
  if (did === 'show') await show(tx, exhibit.id)
  await tx.run(
    `update gallery_reports set closed_at = now() where closed_at is null
       and exhibit_id in (select id from exhibits where sha256 = $1 or bare_sha256 = $1)`,
    [exhibit.sha256],
  )
}

async function hide(tx: Db, cause: Buffer, hashes: readonly Buffer[], reason: string): Promise<void> {
  await tx.run(
    `insert into gallery_hidden (sha256, because_of) select distinct hash, $1::bytea from unnest($2::bytea[]) as hash
     on conflict (sha256) do nothing`,
    [cause, hashes],
  )
  await tx.run(
    `update exhibits set hidden_because = $2 where sha256 = any($1::bytea[]) or bare_sha256 = any($1::bytea[])`,
    [hashes, reason],
  )
}

async function show(tx: Db, exhibitId: string): Promise<void> {
  await tx.run(
    `with shown as (
       delete from gallery_hidden where because_of in (
         select because_of from gallery_hidden h join exhibits e on h.sha256 in (e.sha256, e.bare_sha256) where e.id = $1)
       returning sha256)
     update exhibits set hidden_because = null
     where sha256 in (select sha256 from shown) or bare_sha256 in (select sha256 from shown)`,
    [exhibitId],
  )
}

/** Files that hang, of which it is not known what their picture is without what they carry beside it: tokens, behind `after`. */
export async function listNotBare(db: Db, after: string, limit: number): Promise<string[]> {
  const rows = await db.many(
    z.object({ token: z.string() }),
    `select distinct token from exhibits where bare_sha256 is null and token > $1 order by token limit $2`,
    [after, limit],
  )
  return rows.map(({ token }) => token)
}

/** What is learnt to be a picture that operators have hidden is hidden from now on, for the same reason. */
export async function setBare(tx: Db, token: string, bare: Buffer): Promise<void> {
  const isHidden = (await hiddenAmong(tx, [bare])).size > 0
  await tx.run(
    `update exhibits e set bare_sha256 = $2, hidden_because = case when $3 then coalesce(e.hidden_because,
       (select o.hidden_because from gallery_hidden h join exhibits o on h.because_of in (o.sha256, o.bare_sha256)
        where h.sha256 = $2 and o.hidden_because is not null limit 1), '–') else e.hidden_because end
     where e.token = $1 and e.bare_sha256 is null`,
    [token, bare, isHidden],
  )
}

export async function hasHidden(db: Db): Promise<boolean> {
  return (await db.maybeOne(z.object({}), `select from gallery_hidden limit 1`, [])) !== null
}

/** Which of these checksums, in hexadecimal, are of bytes that operators have hidden. */
export async function hiddenAmong(tx: Db, hashes: readonly Buffer[]): Promise<Set<string>> {
  // Nothing is hidden between this look and the end of the transaction, or it would miss what is shown in it.
  await tx.run('lock table gallery_hidden in share mode')
  const rows = await tx.many(
    z.object({ hash: z.string() }),
    `select encode(sha256, 'hex') as hash from gallery_hidden where sha256 = any($1::bytea[])`,
    [hashes],
  )
  return new Set(rows.map(({ hash }) => hash))
}

export async function insertBlock(db: Db, userId: number, blockedId: number): Promise<void> {
  await db.run(`insert into gallery_blocks (user_id, blocked_id) values ($1, $2) on conflict do nothing`, [
    userId,
    blockedId,
  ])
}

export async function deleteBlock(db: Db, userId: number, blockedId: number): Promise<void> {
  await db.run(`delete from gallery_blocks where user_id = $1 and blocked_id = $2`, [userId, blockedId])
}

const Blocked = z.object({ id: z.string(), name: z.string() })

/** Whose pictures somebody does not want to see. */
export function listBlocked(db: Db, userId: number): Promise<z.output<typeof Blocked>[]> {
  return db.many(
    Blocked,
    `select x.id, x.name from gallery_blocks b join exhibitors x on x.user_id = b.blocked_id
     where b.user_id = $1 order by x.name limit 500`,
    [userId],
  )
}
