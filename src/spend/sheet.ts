import type { Translate } from '../web/i18n.ts'
import { money } from '../web/money.ts'
import { copyOf } from './copy.ts'
import type { ReceiptCopy } from './copy-queries.ts'
import { judge } from './judge.ts'
import { wordOf } from './sentences.ts'

/**
 * The evidence sheet of a receipt, a line each: what an operator needs to find the call in the gateway's own books.
 * Neither words of the person nor a key are in it. Times are those of UTC.
 */
export function sheetOf(receipt: ReceiptCopy, site: string | null, t: Translate): [label: string, value: string][] {
  const { calledAt, endedAt, requestId, keyId, keyName, keyGroup, sshKeyName, prices, estimate, reason } = receipt
  const key = [keyName, keyGroup && `(${keyGroup})`, keyId === null ? null : `#${keyId}`]
  return [
    [t('spend.sheet.receipt'), receipt.id],
    [t('spend.sheet.verdict'), t(wordOf(receipt.kind, judge(receipt).verdict))],
    [t('spend.sheet.called'), calledAt.toISOString()],
    [t('spend.sheet.ended'), endedAt?.toISOString() ?? t('spend.sheet.under_way')],
    [t('spend.sheet.request'), requestId === null ? t('spend.sheet.no_request') : `client:${requestId}`],
    [t('spend.sheet.usage'), receipt.usageId === null ? t('spend.sheet.no_usage') : String(receipt.usageId)],
    [t('spend.sheet.key'), key.filter(Boolean).join(' ')],
    ...(sshKeyName ? [[t('spend.sheet.ssh_key'), sshKeyName] as [string, string]] : []),
    [t('spend.sheet.model'), receipt.model],
    [t('spend.sheet.asked'), listed(receipt.asked)],
    [t('spend.sheet.estimate'), estimate === null ? t('spend.sheet.not_told') : `≈ ${money(Number(estimate))}`],
    [t('spend.sheet.prices'), prices ? listed(prices) : t('spend.sheet.not_told')],
    ...deliveredLines(receipt, t),
    [t('spend.sheet.billed'), billedText(receipt, t)],
    ...(reason ? [[t('spend.sheet.reason'), reason] as [string, string]] : []),
    ...(site ? [[t('spend.sheet.site'), site] as [string, string]] : []),
  ]
}

export function textOf(lines: readonly [label: string, value: string][]): string {
  return `${lines.map(([label, value]) => `${label}: ${value}`).join('\n')}\n`
}

/** The same for machines; what a conversation is called is nobody else's business. */
export function sheetAsJson(receipt: ReceiptCopy): object {
  const { conversation: _, ...facts } = copyOf(receipt)
  return facts
}

function deliveredLines({ kind, delivered }: ReceiptCopy, t: Translate): [string, string][] {
  const label = t('spend.sheet.delivered')
  if (kind !== 'picture') return []
  if (!delivered) return [[label, t('spend.sheet.not_told')]]
  if (delivered.length === 0) return [[label, t('spend.sheet.nothing')]]
  return delivered.map(({ width, height, format, condition, sha256 }, at) => [
    `${label} ${at + 1}`,
    [`${width}x${height}`, format, condition, sha256 && `sha256 ${sha256}`].filter(Boolean).join(' · '),
  ])
}

function billedText(receipt: ReceiptCopy, t: Translate): string {
  const { charged, amount, billedBy, billedTier, billedCount, billedRate } = receipt
  if (charged === 'no') return money(0)
  if (amount === null) return t('spend.receipt.open')
  const how = billedBy === 'tokens' ? t('spend.sheet.by_tokens') : billedBy === 'picture' && t('spend.sheet.by_picture')
  const count = billedBy !== 'tokens' && billedCount !== null && t('spend.sheet.count', { count: billedCount })
  return [`$${amount}`, how, billedTier, count, billedRate && `× ${billedRate}`].filter(Boolean).join(' · ')
}

function listed(facts: Record<string, unknown>): string {
  const told = Object.entries(facts).filter(([, value]) => value !== null)
  return told.map(([name, value]) => `${name} ${String(value)}`).join(', ')
}
