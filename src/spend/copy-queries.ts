import { z } from 'zod'
import { Prices } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import { receiptKinds } from './queries.ts'

/** Amounts are US dollars, in decimals as they are kept. */
export const ReceiptCopy = z.object({
  id: z.string(),
  kind: z.enum(receiptKinds),
  /** Of the job or the answer that it is for. */
  subject: z.string(),
  model: z.string(),
  calledAt: z.date(),
  endedAt: z.date().nullable(),
  charged: z.enum(['yes', 'no', 'unknown']),
  amount: z.string().nullable(),
  estimate: z.string().nullable(),
  asked: z.record(z.string(), z.unknown()),
  /** As they were decoded here; null: not told. `sha256` of the bytes, in hexadecimal, of those of before it was noted missing. */
  delivered: z
    .array(
      z.looseObject({
        width: z.number(),
        height: z.number(),
        format: z.string(),
        condition: z.string(),
        sha256: z.string().optional(),
        /** As the gateway says. */
        quality: z.string().optional(),
        background: z.string().optional(),
      }),
    )
    .nullable(),
  /** Null: not told. */
  previewsCame: z.number().nullable(),
  /** The price list that the estimate was made from. */
  prices: Prices.nullable(),
  /** Why it did not end well. */
  reason: z.string().nullable(),
  usageId: z.number().nullable(),
  billedBy: z.enum(['picture', 'tokens']).nullable(),
  billedTier: z.string().nullable(),
  billedCount: z.number().nullable(),
  billedRate: z.string().nullable(),
  requestId: z.string().nullable(),
  /** The gateway’s number of the API key. */
  keyId: z.number().nullable(),
  keyName: z.string().nullable(),
  keyGroup: z.string().nullable(),
  sshKeyName: z.string().nullable(),
  conversationId: z.string().nullable(),
  conversationTitle: z.string().nullable(),
})
export type ReceiptCopy = z.output<typeof ReceiptCopy>

export const receiptColumns = `id, kind, subject, model, called_at, ended_at, charged, amount, estimate, asked, delivered, billed_by, billed_tier,
  prices, reason, usage_id, billed_count, billed_rate, request_id, key_id, key_name, key_group, ssh_key_name,
  conversation_id, conversation_title, previews_came`

/** Of the calls that these jobs were for, the oldest first. */
export function listReceiptsOfJobs(db: Db, userId: number, jobIds: readonly string[]): Promise<ReceiptCopy[]> {
  return db.many(
    ReceiptCopy,
    `select ${receiptColumns} from receipts
     where kind = 'picture' and subject = any($2) and user_id = $1 order by called_at, id`,
    [userId, jobIds],
  )
}

/** Of the newest call for each of these, by what it was for. */
export async function mapNewest(
  db: Db,
  userId: number,
  kind: ReceiptCopy['kind'],
  subjects: readonly string[],
): Promise<Map<string, ReceiptCopy>> {
  if (subjects.length === 0) return new Map()
  const receipts = await db.many(
    ReceiptCopy,
    `select distinct on (subject) ${receiptColumns} from receipts
     where kind = $2 and subject = any($3) and user_id = $1 order by subject, called_at desc`,
    [userId, kind, subjects],
  )
  return new Map(receipts.map(receipt => [receipt.subject, receipt]))
}

export function findReceipt(db: Db, userId: number, id: string): Promise<ReceiptCopy | null> {
  return db.maybeOne(ReceiptCopy, `select ${receiptColumns} from receipts where id = $2 and user_id = $1`, [userId, id])
}

/** Of these, in the order in which they were called. */
export function listReceiptsAsCalled(db: Db, userId: number, ids: readonly string[]): Promise<ReceiptCopy[]> {
  return db.many(
    ReceiptCopy,
    `select ${receiptColumns} from receipts where user_id = $1 and id = any($2) order by called_at, id`,
    [userId, ids],
  )
}

/** Where a page of receipts ends: the next one begins behind it. */
export type ReceiptCursor = Pick<ReceiptCopy, 'calledAt' | 'id'>

/** Of all this person's calls, the newest first. */
export function listReceipts(
  db: Db,
  userId: number,
  before: ReceiptCursor | null,
  limit: number,
): Promise<ReceiptCopy[]> {
  return db.many(
    ReceiptCopy,
    `select ${receiptColumns} from receipts
     where user_id = $1 and ($2::timestamptz is null or (called_at, id) < ($2, $3::uuid))
     order by called_at desc, id desc limit $4`,
    [userId, before?.calledAt ?? null, before?.id ?? null, limit],
  )
}

/** Of these days of a zone, the oldest first; `after`: where the page before ended. */
export function listReceiptsOfDays(
  db: Db,
  userId: number,
  { from, until, zone }: { from: string; until: string; zone: string },
  after: ReceiptCursor | null,
  limit: number,
): Promise<ReceiptCopy[]> {
  return db.many(
    ReceiptCopy,
    `select ${receiptColumns} from receipts
     where user_id = $1 and called_at >= $2::date::timestamp at time zone $4
       and called_at < ($3::date + 1)::timestamp at time zone $4
       and ($5::timestamptz is null or (date_trunc('milliseconds', called_at), id) > ($5, $6::uuid))
     order by date_trunc('milliseconds', called_at), id limit $7`,
    [userId, from, until, zone, after?.calledAt ?? null, after?.id ?? null, limit],
  )
}

/** What was called for an SSH key on a day of UTC. */
const Use = z.object({ sshKeyId: z.string(), day: z.string(), pictures: z.number(), usd: z.string() })

export function listUseByDay(db: Db, userId: number): Promise<z.output<typeof Use>[]> {
  return db.many(
    Use,
    `select ssh_key_id, day, pictures, usd from ssh_key_days where user_id = $1 order by day, ssh_key_id`,
    [userId],
  )
}
