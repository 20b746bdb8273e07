import type { ReceiptCopy } from './copy-queries.ts'
import { judge } from './judge.ts'

/** A receipt as it leaves this site: what was asked, what came, and how it was billed; amounts as decimals in texts. */
export function copyOf(receipt: ReceiptCopy) {
  return {
    id: receipt.id,
    kind: receipt.kind,
    subject: receipt.subject,
    model: receipt.model,
    called_at: receipt.calledAt,
    ended_at: receipt.endedAt,
    asked: receipt.asked,
    delivered: receipt.delivered,
    verdict: judge(receipt).verdict,
    charged: receipt.charged,
    amount_usd: receipt.amount,
    estimate_usd: receipt.estimate,
    price_list_usd: receipt.prices,
    billed_by: receipt.billedBy,
    billed_tier: receipt.billedTier,
    billed_count: receipt.billedCount,
    billed_rate: receipt.billedRate,
    request_id: receipt.requestId,
    usage_id: receipt.usageId,
    key_id: receipt.keyId,
    key_name: receipt.keyName,
    key_group: receipt.keyGroup,
    ssh_key_name: receipt.sshKeyName,
    conversation: receipt.conversationTitle,
  }
}
