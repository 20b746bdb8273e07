import { z } from 'zod'
import type { Db } from '../db/db.ts'

/**
 * A kind of long row. Its table has `user_id`, `state` (*queued*, *running*, then however it ends), `version`,
 * `created_at`, `not_before`, `started_at`, `attempts`, `claim`, `lease_until` and `cancel_requested_at`. The fragments of
 * SQL speak of its columns.
 */
interface Kind<Row extends { claim: string }> {
  table: string
  /** Its primary key. */
  id: string
  row: z.ZodType<Row>
  /** Of an advisory lock: one worker claims at a time, so that the limits hold over all processes. */
  lock: number
  /** What a queued row needs to stand in line, beside that its time has come. */
  ready?: string
  /** In which order one person's own rows go; as they were asked for when not given. */
  order?: string
  /** Which running rows keep the next one of their person waiting; all of them when not given. */
  busy?: string
  /** Which ended rows were a turn of their person: who has waited longest since the last one comes first. */
  turn?: string
  /**
   * What rows of one person go through few at a time: by which column, and a table of `user_id`, that column and `free`,
   * how many more may run. All may where it says nothing.
   */
  lane?: { by: string; table: string }
  /** What is set beside the claim. */
  onClaim?: string
  /** Of the rows whose lease has run out, those that whoever finds them ends. */
  abandoned?: string
  /** What costs money: after a restore it waits for the operator, in `parked_at`. */
  parks?: {
    /** Which rows; all that are queued, running or left something over when not given. */
    rows?: string
    /** Of a running one: it was sent, and is only ever ended. */
    sent: string
    /** Woken when they are released. */
    kind: string
  }
}

export interface Limits {
  /** Rows run at once in this process. */
  here: number
  perUser: number
  /** Over all processes; none when not given. */
  total?: number
}

/** How rows of a kind are claimed by conditional updates, kept by leases, and found when their worker is gone. */
export interface Leases<Row extends { claim: string }> {
  /** Whether any row is ready to be claimed, limits aside: what most looks ask in vain costs one statement. */
  isAnyReady(db: Db): Promise<boolean>
  /**
   * Takes up to `slots` queued rows. Fair: who has the fewest running comes first, then who has waited longest, since the
   * last of theirs was over, where that counts as a turn; which of theirs it is that goes then changes nothing for others.
   * `leaseSeconds`: how long they are left alone without a sign of life.
   */
  claim(db: Db, slots: number, limits: Omit<Limits, 'here'>, leaseSeconds: number): Promise<Row[]>
  /** The front of the line, in the order of `claim`: everybody's first row, then everybody's second, and so on. */
  listLine(db: Db, length: number): Promise<{ id: string; place: number }[]>
  extend(db: Db, claims: readonly string[], leaseSeconds: number): Promise<void>
  /** Which of these claims somebody wants stopped. */
  listCancelled(db: Db, claims: readonly string[]): Promise<string[]>
  /** Rows whose worker has not been heard of, with a new lease, for whoever ends them. */
  claimAbandoned(db: Db, leaseSeconds: number): Promise<Row[]>
  /** Back into the line after so many seconds, if it is still held by this claim: for work of which any part may be done again. */
  requeue(db: Db, row: Pick<Row, 'claim'>, seconds: number): Promise<void>
  /** Keeps all that waits or runs from going on by itself, and answers how many rows that were. No worker may be there. */
  park(tx: Db): Promise<number>
  countParked(db: Db): Promise<number>
  /** What is parked goes on where it stood: what was not sent is sent, what was is ended. Answers how many. */
  release(tx: Db): Promise<number>
}

export function leases<Row extends { claim: string }>(kind: Kind<Row>): Leases<Row> {
  const {
    table,
    id,
    row,
    lock,
    ready = 'true',
    busy = 'true',
    abandoned = `state = 'running'`,
    turn,
    lane,
    parks,
  } = kind
  const { order = `created_at, ${id}` } = kind
  const active = parks ? 'parked_at is null' : 'true'
  const isReady = `state = 'queued' and (not_before is null or not_before <= now()) and ${ready} and ${active}`
  const queued = `select * from ${table} left join busy using (user_id) where ${isReady}`
  const startable = lane
    ? `select * from (
        select *, row_number() over (partition by user_id, ${lane.by} order by ${order}) as lane_place
        from (${queued}) as ready left join ${lane.table} lanes using (user_id, ${lane.by})) as laned
       where lane_place <= coalesce(free, lane_place)`
    : queued
  const asAsked = `nth_value(created_at, place::int) over (
    partition by user_id order by created_at, id rows between unbounded preceding and unbounded following)`
  const served = `served as (
      select user_id, (select max(finished_at) from ${table} over
        where over.user_id = people.user_id and finished_at is not null and ${turn}) as at
      from (select distinct user_id from mine) people),`
  const lineOf = (rows: string) => `busy as (
      select user_id, count(*) as running from ${table} where state = 'running' and ${busy} and ${active} group by user_id),
    mine as (
      select ${id} as id, user_id, created_at, coalesce(running, 0) as before,
        row_number() over (partition by user_id order by ${order}) as place
      from (${rows}) as ready),
    ${turn ? served : ''}
    waiting as (
      select id, before + place as turn, ${turn ? `greatest(${asAsked}, at)` : asAsked} as since
      from mine ${turn ? 'left join served using (user_id)' : ''})`

  return {
    async isAnyReady(db) {
      const look = `select exists (select from ${table} where ${isReady}) as any`
      return (await db.one(z.object({ any: z.boolean() }), look)).any
    },
    claim: (db, slots, { perUser, total }, leaseSeconds) =>
      db.transaction(async tx => {
        await tx.run(`select pg_advisory_xact_lock($1, 0)`, [lock])
        return tx.many(
          row,
          `with ${lineOf(startable)},
             next as (
               select id from waiting where turn <= $2 order by turn, since, id
               limit greatest(0, least($1, $3::int - (select coalesce(sum(running), 0) from busy))))
           update ${table} set state = 'running', version = version + 1, claim = gen_random_uuid(),
             lease_until = now() + make_interval(secs => $4), attempts = attempts + 1, not_before = null,
             started_at = coalesce(started_at, now())${kind.onClaim ? `, ${kind.onClaim}` : ''}
           where ${id} in (select id from next) and state = 'queued' returning *`,
          [slots, perUser, total ?? null, leaseSeconds],
        )
      }),
    listLine: (db, length) =>
      db.many(
        z.object({ id: z.string(), place: z.number() }),
        `with ${lineOf(queued)}
         select id, row_number() over (order by turn, since, id) as place from waiting
         order by turn, since, id limit $1`,
        [length],
      ),
    async extend(db, claims, leaseSeconds) {
      await db.run(
        `update ${table} set lease_until = now() + make_interval(secs => $2)
         where claim = any($1::uuid[]) and state = 'running'`,
        [claims, leaseSeconds],
      )
    },
    async listCancelled(db, claims) {
      const rows = await db.many(
        z.object({ claim: z.string() }),
        `select claim from ${table}
         where claim = any($1::uuid[]) and state = 'running' and cancel_requested_at is not null`,
        [claims],
      )
      return rows.map(({ claim }) => claim)
    },
    claimAbandoned: (db, leaseSeconds) =>
      db.many(
        row,
        `update ${table} set lease_until = now() + make_interval(secs => $1)
         where ${id} in (
           select ${id} from ${table} where lease_until < now() and ${abandoned} and ${active} limit 100 for update skip locked)
         returning *`,
        [leaseSeconds],
      ),
    async requeue(db, { claim }, seconds) {
      await db.run(
        `update ${table} set state = 'queued', version = version + 1, claim = null, lease_until = null,
           not_before = now() + make_interval(secs => $2)
         where claim = $1 and state = 'running'`,
        [claim, seconds],
      )
    },
    async park(tx) {
      if (!parks) return 0
      const { rows = `(state in ('queued', 'running') or lease_until is not null)`, sent } = parks
      return tx.run(
        `update ${table} set parked_at = now(), version = version + 1,
           state = case when state = 'running' and not ${sent} then 'queued' else state end,
           claim = case when state = 'running' and not ${sent} then null else claim end,
           lease_until = case when state = 'running' and not ${sent} then null else lease_until end
         where ${rows}`,
      )
    },
    async countParked(db) {
      if (!parks) return 0
      const rows = `select count(*) from ${table} where parked_at is not null and (state in ('queued', 'running') or lease_until is not null)`
      return (await db.one(z.object({ count: z.number() }), rows)).count
    },
    async release(tx) {
      if (!parks) return 0
      await tx.run(`select pg_notify('work', $1)`, [parks.kind])
      return tx.run(
        `update ${table} set parked_at = null, version = version + 1,
           lease_until = case when lease_until is not null then now() end where parked_at is not null`,
      )
    },
  }
}
