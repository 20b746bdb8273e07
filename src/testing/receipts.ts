import { z } from 'zod'
import type { Db } from '../db/db.ts'
import type { MockGateway } from '../mock/server.ts'
import { until } from './server.ts'

interface Books {
  db: Db
  mock: MockGateway
}

/**
 * Waits until all that these people called has ended and is settled, as if the time in which the gateway may still work
 * were over, and tells what receipts and usage rows do not have in common.
 */
export async function differences(books: Books, emails: readonly string[]): Promise<string[]> {
  const { db, mock } = books
  const userIds = emails.map(email => mock.control.user(email).id)
  await until('the gateway to be idle', async () => {
    const calls = mock.control.calls().filter(({ userId }) => userId !== null && userIds.includes(userId))
    const bills = mock.state.usage.filter(row => userIds.includes(row.user_id))
    return (
      calls.every(({ endedAt }) => endedAt !== null) && bills.length >= calls.filter(({ billed }) => billed > 0).length
    )
  })
  const mine = 'user_id = any($1)'
  // As if nobody had looked in this minute; what is being settled is left to that, and looked for again.
  const looks = `delete from panel_calls where ${mine}`
  const hurry = (which: string, what: string) =>
    db.run(
      `update receipts set look_at = now()${what} where id in (
         select id from receipts where ${mine} and look_at is not null and ${which} for update skip locked)`,
      [userIds],
    )
  await db.run(looks, [userIds])
  await hurry('true', '')
  await until('all to be settled', async () => {
    await db.run(looks, [userIds])
    await hurry('works_until > now()', `, works_until = now() - interval '1 second'`)
    const left = `select id from receipts where ${mine} and (look_at is not null or ended_at is null)`
    return (await db.many(z.object({ id: z.string() }), left, [userIds])).length === 0
  })
  return compare(books, userIds)
}

const Receipt = z.object({
  userId: z.number(),
  kind: z.string(),
  subject: z.string(),
  requestId: z.string().nullable(),
  endedAt: z.date().nullable(),
  usageId: z.number().nullable(),
  amount: z.coerce.number().nullable(),
  charged: z.string(),
  billedCount: z.number().nullable(),
  candidates: z.array(z.number()),
})

/**
 * What the settled receipts of these people and the gateway's usage rows do not have in common, a sentence each: a row is
 * the amount of one receipt, to the cent, or is shown as one that may be it, by a call that never heard its request id;
 * no receipt has an amount of its own making, or is under way; and there is no call without one.
 */
export async function compare({ db, mock }: Books, userIds: readonly number[]): Promise<string[]> {
  const receipts = await db.many(
    Receipt,
    `select *, coalesce((select array_agg((c ->> 'usageId')::int)
       from jsonb_array_elements(evidence -> 'candidates') c), '{}') as candidates from receipts where user_id = any($1)`,
    [userIds],
  )
  const bills = mock.state.usage.filter(row => userIds.includes(row.user_id))
  const byUsage = Map.groupBy(receipts, ({ usageId }) => usageId)
  const unheard = receipts.filter(({ charged, requestId }) => charged === 'unknown' && requestId === null)
  const shown = new Set(unheard.flatMap(({ candidates }) => candidates))
  const untold = receipts.filter(({ charged, requestId, amount }) => charged === 'yes' && !requestId && amount === null)
  // Of calls without an id that were made side by side and billed unlike, nobody says which was whose.
  const isUntold = (userId: number) => {
    const at = untold.findIndex(receipt => receipt.userId === userId)
    return at >= 0 && untold.splice(at, 1).length > 0
  }
  const wrong = bills.flatMap(row => {
    const [receipt, ...more] = byUsage.get(row.id) ?? []
    const what = `usage row ${row.id} (${row.model}, $${row.actual_cost})`
    if (more.length > 0) return [`${what} is on ${more.length + 1} receipts`]
    if (receipt) {
      const isSame = Math.abs((receipt.amount ?? 0) - row.actual_cost) < 1e-9 && receipt.billedCount === row.image_count
      return isSame ? [] : [`${what} is $${receipt.amount} on the receipt of ${receipt.kind} ${receipt.subject}`]
    }
    const isIts = ({ requestId }: { requestId: string | null }) => row.request_id === `client:${requestId}`
    const known = receipts.find(isIts)
    if (!known && (shown.has(row.id) || isUntold(row.user_id))) return []
    const fields = ['prompt', 'receivedAt', 'endedAt', 'state', 'status', 'clientGone']
    const whose = known ? `, though ${known.kind} ${known.subject} has its request id` : ''
    return [`${what} of ${JSON.stringify(mock.control.calls().find(isIts), fields)} is on no receipt${whose}`]
  })
  const rows = new Set(bills.map(({ id }) => id))
  for (const { kind, subject, usageId, amount, endedAt } of receipts) {
    if (endedAt === null) wrong.push(`${kind} ${subject} is under way on its receipt`)
    if (amount !== null && (usageId === null || !rows.has(usageId)))
      wrong.push(`${kind} ${subject} was $${amount}, by no usage row`)
  }
  for (const userId of userIds) {
    const calls = mock.control.calls({ userId, method: 'POST' }).length
    const count = receipts.filter(receipt => receipt.userId === userId).length
    if (calls > count) wrong.push(`person ${userId} has ${count} receipts for ${calls} calls`)
  }
  return wrong
}

/** So many calls for pictures, each of which took so many seconds. */
export async function tookSoLong(
  db: Db,
  whose: { userId: number; keyId: number },
  asked: { size: string; quality: string; n: number },
  seconds: number,
  times: number,
): Promise<void> {
  await db.run(
    `insert into receipts (user_id, kind, subject, key_id, model, asked, charged, called_at, ended_at, works_until)
     select $1, 'picture', gen_random_uuid(), $2, 'gpt-image-2', $3, 'yes', at, at + make_interval(secs => $4), at
     from (select now() - make_interval(mins => g) as at from generate_series(1, $5::int) g) calls`,
    [whose.userId, whose.keyId, JSON.stringify({ ...asked, references: 0 }), seconds, times],
  )
}
