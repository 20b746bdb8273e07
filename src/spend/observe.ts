import type { Metrics } from '../metrics.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import { judge, shownOf } from './judge.ts'

/** Names come from the gateway, and each is a series of its own for ever. */
const MOST_NAMES = 20

const models = new Set<string>()
const groups = new Set<string>()

/** Counts calls whose bill has come: once each, by whoever settled them. */
export function observePaid(
  metrics: Pick<Metrics, 'paidCalls' | 'estimated' | 'misestimated' | 'pictureSeconds'>,
  receipts: readonly ReceiptCopy[],
): void {
  for (const receipt of receipts) {
    const { kind, amount, estimate, calledAt, endedAt, model, keyGroup } = receipt
    metrics.paidCalls.inc({ kind, verdict: judge(receipt).verdict })
    if (amount !== null && estimate !== null) {
      metrics.estimated.inc(Number(estimate))
      metrics.misestimated.inc(Math.abs(Number(amount) - Number(estimate)))
    }
    if (kind !== 'picture' || !endedAt || !shownOf(receipt)?.length) continue
    const labels = { model: bounded(models, model), group: bounded(groups, keyGroup ?? '') }
    metrics.pictureSeconds.observe(labels, (endedAt.getTime() - calledAt.getTime()) / 1000)
  }
}

function bounded(known: Set<string>, name: string): string {
  if (known.has(name)) return name
  if (known.size >= MOST_NAMES) return 'other'
  known.add(name)
  return name
}
