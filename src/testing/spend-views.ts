import type { ReceiptCopy } from '../spend/copy-queries.ts'
import { viewReceipt } from '../spend/receipt-view.ts'
import { sheetOf, textOf } from '../spend/sheet.ts'
import type { SpendView } from '../spend/view.ts'
import { translator } from '../web/i18n.ts'

/** A picture of 1024 × 1024 that came and was billed as it was asked for, but for what is given. */
export function receiptOf(given: Partial<ReceiptCopy> = {}): ReceiptCopy {
  return {
    id: 'receipt-a',
    kind: 'picture',
    subject: 'job-a',
    model: 'gpt-image-2',
    calledAt: new Date('2026-03-01T12:00:00Z'),
    endedAt: new Date('2026-03-01T12:01:00Z'),
    charged: 'yes',
    amount: '0.134',
    estimate: '0.134',
    asked: { size: '1024x1024', quality: 'high', n: 1, format: 'png', references: 0, mask: false },
    delivered: [pictureOf('1024x1024')],
    previewsCame: null,
    prices: { '1K': 0.134, '2K': 0.201, '4K': 0.268 },
    reason: null,
    usageId: 1001,
    billedBy: 'picture',
    billedTier: '1K',
    billedCount: 1,
    billedRate: '1',
    requestId: '8c1d3f5e-0000-4000-8000-000000000000',
    keyId: 7,
    keyName: 'A <key>',
    keyGroup: 'OpenAI',
    sshKeyName: null,
    conversationId: null,
    conversationTitle: null,
    ...given,
  }
}

export function pictureOf(size: string, condition = 'whole') {
  const [width = 0, height = 0] = size.split('x').map(Number)
  return { width, height, format: 'png', condition, sha256: 'ab'.repeat(32) }
}

const receipts = [
  receiptOf(),
  receiptOf({ endedAt: null, charged: 'unknown', amount: null, delivered: null, requestId: null, usageId: null }),
  receiptOf({ delivered: [], reason: 'timeout' }),
  receiptOf({
    delivered: [pictureOf('1536x1024'), pictureOf('1x1', 'undecodable')],
    billedTier: '2K',
    amount: '0.201',
  }),
  receiptOf({ billedBy: 'tokens', billedTier: null, billedCount: 0, sshKeyName: 'laptop' }),
  receiptOf({ charged: 'no', amount: null, delivered: null, prices: null, estimate: null, billedRate: null }),
  receiptOf({
    kind: 'answer',
    reason: 'interrupted',
    asked: { effort: 'high' },
    delivered: null,
    billedBy: 'tokens',
    billedCount: null,
    conversationId: 'conversation-a',
  }),
]
const t = translator('en')

const receiptViews = receipts.map(viewReceipt)
export const spendSamples = {
  'spend/_receipt': receiptViews.map(receipt => ({ receipt })),
  'spend/receipt': receipts.map(receipt => {
    const lines = sheetOf(receipt, 'https://pictures.example', t)
    return { receipt: viewReceipt(receipt), sheet: { lines, text: textOf(lines) } }
  }),
}
export const sampleReceipt = receiptViews[0]!

const sums = {
  calls: 3,
  usd: 0.4021,
  guessed: { usd: 0.5, paid: 0.4021 },
  unsettled: { calls: 1, usd: 0.1 },
  unknown: { calls: 0, usd: 0 },
}
const spend: SpendView = {
  range: 'week',
  by: 'key',
  ranges: [{ name: 'week', url: '/spend?range=week', current: true }],
  groupings: [{ name: 'key', url: '/spend?by=key', current: true }],
  from: '2026-03-01',
  until: '2026-03-02',
  zone: 'Asia/Tokyo',
  otherZone: 'Europe/Berlin',
  rows: [
    { ...sums, name: 'A <key>', url: null },
    { ...sums, name: 'Night', url: '/chat/x' },
  ],
  total: sums,
  days: [
    { day: '2026-03-01', usd: 0.3, open: 0.1 },
    { day: '2026-03-02', usd: 0, open: 0 },
  ],
  files: { csv: '/spend/receipts.csv?range=week', json: '/spend/receipts.json?range=week' },
  elsewhere: { state: 'not_asked', url: '/spend?elsewhere=yes' },
}
const keys = [{ name: 'A <key>', calls: 2, usd: 1.5 }]
export const sumSamples = {
  'spend/_chart': [{ days: spend.days! }],
  'spend/_today': [{ usd: 0.4 }],
  'spend/index': [
    { spend },
    { spend: { ...spend, rows: [], total: null, days: null, elsewhere: { state: 'failed' as const, url: '/spend' } } },
    {
      spend: { ...spend, elsewhere: { state: 'known' as const, keys, unreadBefore: new Date('2026-03-01T12:00:00Z') } },
    },
    { spend: { ...spend, elsewhere: { state: 'known' as const, keys: [], unreadBefore: null } } },
  ],
}
