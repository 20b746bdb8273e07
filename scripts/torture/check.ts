import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { assertNoSecrets, type Emitted, rowsOf, snapshotsIn } from '../../src/testing/leaks.ts'
import { compare } from '../../src/testing/receipts.ts'
import type { Actor } from './people.ts'
import type { Torn } from './site.ts'

const SETTLED_WITHIN_MS = 120_000
const QUIET_MS = 1000
const Row = z.object({ row: z.string() })
const unfinished = `select (to_jsonb(j) - 'key_secret')::text as row from image_jobs j where state in ('queued', 'running')
  union all select (to_jsonb(r) - 'key_secret' - 'html')::text from replies r where state in ('queued', 'running')`
const unsettled = `select to_jsonb(r)::text as row from receipts r where look_at is not null or ended_at is null`

/** Waits until nothing is under way any more, then says what is not as it must be. */
export async function check(torn: Torn, actors: readonly Actor[], seen: readonly Emitted[]): Promise<string[]> {
  for (const actor of actors) await actor.comeBack()
  const wrong = await settled(torn)
  wrong.push(...(await paidOnce(torn)))
  wrong.push(...(await receiptsAreBills(torn)))
  wrong.push(...(await picturesAreKept(torn)))
  wrong.push(...(await othersSeeNothing(actors)))
  wrong.push(...torn.complaints.splice(0))
  const emitted = [
    ...seen,
    ...torn.logs.map(text => ({ what: 'log', text })),
    ...(await rowsOf(torn.db as Parameters<typeof rowsOf>[0])),
    ...torn.dataDirectories.flatMap(snapshotsIn),
  ]
  try {
    assertNoSecrets(torn.mock, emitted)
  } catch (error) {
    wrong.push((error as Error).message)
  }
  return wrong
}

/** Nothing queued or running any more, and then all bills looked up. */
async function settled(torn: Torn): Promise<string[]> {
  const { db } = torn
  // As if the waits that the gateway asked for were over.
  const unfinishedFor = await none(db, unfinished, [
    `update image_jobs set not_before = now(), retry_at = null where state = 'queued' and not_before > now()`,
    `update image_jobs set retry_at = null where retry_at > now()`,
    `update replies set not_before = now() where state = 'queued' and not_before > now()`,
  ])
  if (unfinishedFor.length > 0) return ['unfinished:', ...unfinishedFor]
  await gatewayIsIdle(torn)
  // As if the minutes in which it may still be working were over.
  const unsettledFor = await none(db, unsettled, [
    `update receipts set look_at = now() where kind = 'title' and ended_at is null`,
    `update receipts set works_until = now() - interval '1 second', look_at = now()
     where look_at is not null and works_until > now()`,
  ])
  return unsettledFor.length > 0 ? ['unsettled:', ...unsettledFor] : []
}

/** The rows that are still there after two minutes. */
async function none(db: Torn['db'], question: string, hurry: readonly string[]): Promise<string[]> {
  for (const end = Date.now() + SETTLED_WITHIN_MS; ; await delay(200)) {
    for (const sql of hurry) await db.run(sql)
    const rows = await db.many(Row, question)
    if (rows.length === 0 || Date.now() > end) return rows.map(({ row }) => row)
  }
}

/**
 * It goes on with calls that we left, and bills them a little later. A process that stood still may have a call to make
 * for a row that another has ended since: each must have answered, and then nothing have come for a while.
 */
async function gatewayIsIdle({ mock, members }: Torn): Promise<void> {
  await Promise.all(members.map(hasAnswered))
  const count = () => mock.control.calls().length
  let [seen, quietSince] = [count(), Date.now()]
  for (const end = Date.now() + SETTLED_WITHIN_MS; Date.now() < end; await delay(100)) {
    const isOpen = mock.control.calls().some(({ endedAt }) => endedAt === null)
    if (isOpen || count() !== seen) [seen, quietSince] = [count(), Date.now()]
    if (Date.now() - quietSince > QUIET_MS) return
  }
}

async function hasAnswered({ child }: Torn['members'][number]): Promise<void> {
  if (!child) return
  const answered = once(child, 'message')
  child.send({ answer: true })
  await Promise.race([answered, once(child, 'exit')])
}

/** As many bills for a wish as rows that could have been called for it, at most. */
async function paidOnce({ db, mock }: Torn): Promise<string[]> {
  const Wish = z.object({ wish: z.string(), count: z.number() })
  const rows = await db.many(
    Wish,
    `select wish, sum(count)::int as count from (
       select substring(prompt from '\\w+ wish \\d+\\.') as wish, count(*) from image_jobs group by 1
       union all
       select substring(q.text from '\\w+ wish \\d+\\.'), count(*) from replies r
         join chat_messages m on m.id = r.message_id join chat_messages q on q.id = m.parent_id group by 1) rows
     where wish is not null group by wish`,
  )
  const allowed = new Map(rows.map(({ wish, count }) => [wish, count]))
  const paid = new Map<string, number>()
  for (const call of mock.control.calls()) {
    if (call.billed === 0 || String(call.fields.instructions).startsWith('Give this conversation a title')) continue
    const [wish] = /\w+ wish \d+\./.exec(call.prompt) ?? ['']
    paid.set(wish, (paid.get(wish) ?? 0) + 1)
  }
  return [...paid]
    .filter(([wish, count]) => count > (allowed.get(wish) ?? 0))
    .map(([wish, count]) => `${wish} was paid ${count} times, for ${allowed.get(wish) ?? 0} rows`)
}

/** Titles, free attempts and what was killed on the way included; and what SSH keys have used is the sum of theirs. */
async function receiptsAreBills(torn: Torn): Promise<string[]> {
  const { db, mock } = torn
  const userIds = [...mock.state.users.values()].map(({ id }) => id)
  const off = await db.many(
    Row,
    `select coalesce(d.ssh_key_id, r.ssh_key_id)::text as row from ssh_key_days d full join (
       select ssh_key_id, (called_at at time zone 'utc')::date as day, sum(counted_usd) as usd, sum(counted_pictures) as n
       from receipts where ssh_key_id is not null group by 1, 2) r on r.ssh_key_id = d.ssh_key_id and r.day = d.day
     where d.usd is distinct from r.usd or d.pictures is distinct from r.n`,
  )
  return [...(await compare(torn, userIds)), ...off.map(({ row }) => `the days of SSH key ${row} are not its receipts`)]
}

/** Who was told that it is done has the pictures that were sent; their bytes are those that were filed, and none lie about. */
async function picturesAreKept({ db, mock, storage, dataDirectories }: Torn): Promise<string[]> {
  const Job = z.object({ id: z.string(), requestId: z.string().nullable(), isPart: z.boolean(), pictures: z.number() })
  const jobs = await db.many(
    Job,
    `select id, request_id, failure_reason is not null as is_part,
       (select count(*)::int from pictures where job_id = image_jobs.id) as pictures
     from image_jobs where state = 'done'`,
  )
  const sent = new Map(mock.control.calls({ state: 'done' }).map(call => [call.requestId, call]))
  const fewer = jobs.flatMap(({ id, requestId, isPart, pictures }) => {
    if (isPart) return []
    const images = (requestId && sent.get(requestId)?.images) || 1
    return pictures < images ? [`job ${id} is done with ${pictures} pictures of ${images}`] : []
  })

  const File = z.object({ token: z.string(), sha256: z.instanceof(Buffer) })
  const files = await db.many(File, 'select token, sha256 from files')
  const broken: string[] = []
  for (const { token, sha256 } of files) {
    const bytes = await storage.read(token)
    if (!bytes) broken.push(`file ${token} is not in the store`)
    else if (!createHash('sha256').update(bytes).digest().equals(sha256)) broken.push(`file ${token} has other bytes`)
  }

  const left = dataDirectories.flatMap(directory =>
    globSync('spill/*/*', { cwd: directory }).map(name => `${name} waits on a disk, though nothing is under way`),
  )
  return [...fewer, ...broken, ...left]
}

/** What there is of calls, for whoever looks for the cause. */
export async function evidence({ db, mock }: Torn): Promise<string[]> {
  const rows = await db.many(
    Row,
    `select (to_jsonb(r) || '{"table": "receipts"}')::text as row from receipts r
     union all select (to_jsonb(r) - 'key_secret' - 'html' || '{"table": "replies"}')::text from replies r
     union all select (to_jsonb(j) - 'key_secret' || '{"table": "image_jobs"}')::text from image_jobs j`,
  )
  return [
    ...rows.map(({ row }) => row),
    ...[...mock.control.calls(), ...mock.state.usage].map(each => JSON.stringify(each)),
  ]
}

async function othersSeeNothing(actors: readonly Actor[]): Promise<string[]> {
  const wrong: string[] = []
  for (const [at, actor] of actors.entries()) {
    const other = actors[(at + 1) % actors.length]!
    for (const address of [
      ...actor.own.job.slice(-3),
      ...actor.own.conversation.slice(-3),
      ...actor.own.batch.slice(-2),
    ]) {
      const { status } = await other.visit().get(address)
      if (status !== 404) wrong.push(`${other.email} gets ${status} at ${address} of ${actor.email}`)
    }
  }
  return wrong
}
