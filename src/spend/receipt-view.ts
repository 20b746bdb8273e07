import { tierOf } from '../account/prices.ts'
import type { Db } from '../db/db.ts'
import { mapNewest, type ReceiptCopy } from './copy-queries.ts'
import { dearestTier, judge, shownOf } from './judge.ts'
import { wordOf } from './sentences.ts'
import type { ReceiptView } from './view.ts'

/** Of the newest call for each of these jobs or answers, by what it was for. */
export async function viewNewest(
  db: Db,
  userId: number,
  kind: ReceiptCopy['kind'],
  subjects: readonly string[],
): Promise<Map<string, ReceiptView>> {
  const receipts = await mapNewest(db, userId, kind, subjects)
  return new Map([...receipts].map(([subject, receipt]) => [subject, viewReceipt(receipt)]))
}

export function viewReceipt(receipt: ReceiptCopy): ReceiptView {
  const { asked, delivered } = receipt
  const size = textOf(asked.size)
  const shown = shownOf(receipt) ?? []
  const judgement = judge(receipt)
  return {
    ...judgement,
    word: wordOf(receipt.kind, judgement.verdict),
    id: receipt.id,
    kind: receipt.kind,
    subjectUrl: addressOf(receipt),
    model: receipt.model,
    calledAt: receipt.calledAt,
    endedAt: receipt.endedAt,
    asked: {
      size,
      quality: textOf(asked.quality),
      format: textOf(asked.format),
      n: typeof asked.n === 'number' ? asked.n : null,
      tier: size ? tierOf(size) : null,
      usd: usdOf(receipt.estimate),
    },
    delivered: delivered && {
      sizes: distinct(shown.map(({ width, height }) => `${width}x${height}`)),
      formats: distinct(shown.map(({ format }) => format)),
      n: shown.length,
      damaged: delivered.length - shown.length,
      tier: dearestTier(shown),
    },
    billed: {
      charged: receipt.charged,
      usd: receipt.charged === 'no' ? 0 : usdOf(receipt.amount),
      by: receipt.billedBy,
      tier: receipt.billedTier,
      n: receipt.billedCount,
      rate: usdOf(receipt.billedRate),
    },
  }
}

/** A title was made for a conversation, which is the subject itself. */
function addressOf({ kind, subject, conversationId }: ReceiptCopy): string | null {
  if (kind === 'picture') return `/images/${subject}`
  if (kind === 'improve' || kind === 'describe') return `/prompts/suggestions/${subject}`
  return conversationId && `/chat/${conversationId}`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function usdOf(decimal: string | null): number | null {
  return decimal === null ? null : Number(decimal)
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}
