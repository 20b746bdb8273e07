import { once } from 'node:events'
import type { Response } from 'express'
import type { Db } from '../db/db.ts'
import { copyOf } from './copy.ts'
import { listReceiptsOfDays, type ReceiptCopy } from './copy-queries.ts'
import type { Period } from './period.ts'

const AT_ONCE = 1000

type Copy = ReturnType<typeof copyOf>

/** All receipts of these days, written as they are read; a reader that has left ends it. */
export async function sendReceipts(
  db: Db,
  userId: number,
  period: Period,
  res: Response,
  as: 'csv' | 'json',
): Promise<void> {
  const name = `spending-${period.from}-${period.until}.${as}`
  res.set('Cache-Control', 'no-store').attachment(name)
  // Spreadsheets know UTF-8 by this.
  res.write(as === 'csv' ? `\uFEFF${lineOf(columns)}` : '[')
  let isFirst = true
  let after: ReceiptCopy | null = null
  do {
    const receipts: ReceiptCopy[] = await listReceiptsOfDays(db, userId, period, after, AT_ONCE)
    const copies = receipts.map(copyOf)
    const comma = isFirst || copies.length === 0 ? '' : ','
    const text = as === 'csv' ? copies.map(rowOf).join('') : comma + copies.map(copy => JSON.stringify(copy)).join(',')
    isFirst &&= copies.length === 0
    if (!res.write(text) && !res.destroyed) await Promise.race([once(res, 'drain'), once(res, 'close')])
    after = receipts.length === AT_ONCE ? receipts.at(-1)! : null
  } while (after && !res.destroyed)
  res.end(as === 'csv' ? '' : ']\n')
}

const columns = [
  'id',
  'called_at',
  'ended_at',
  'kind',
  'model',
  'verdict',
  'charged',
  'amount_usd',
  'estimate_usd',
  'billed_by',
  'billed_tier',
  'billed_count',
  'billed_rate',
  'delivered_count',
  'key_name',
  'key_group',
  'ssh_key_name',
  'conversation',
  'request_id',
  'usage_id',
  'subject',
] as const

function rowOf(copy: Copy): string {
  const facts = { ...copy, delivered_count: copy.delivered?.length ?? null }
  return lineOf(columns.map(name => facts[name]))
}

type Value = string | number | Date | null

function lineOf(values: readonly Value[]): string {
  return `${values.map(cellOf).join(',')}\r\n`
}

/** A text that a spreadsheet would take for a formula is one to it no more. */
function cellOf(value: Value): string {
  if (value === null) return ''
  const text = value instanceof Date ? value.toISOString() : String(value)
  const safe = /^\s*[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
