import type { Db } from '../db/db.ts'
import type { Translate } from '../web/i18n.ts'
import { addressOf, daysOf, type Grouping, groupings, type Period } from './period.ts'
import type { ReceiptKind } from './queries.ts'
import { type Group, listSums, listTitles, type Sums } from './sum-queries.ts'
import type { SpendView, SumsView } from './view.ts'

const shownRanges = ['today', 'week', 'month'] as const

const MOST_ROWS = 50

type Sight = Omit<SpendView, 'elsewhere' | 'otherZone'>

/** What a person spent in these days, grouped, and day by day. */
export async function viewSpend(
  db: Db,
  userId: number,
  period: Period & { by: Grouping },
  t: Translate,
): Promise<Sight> {
  const { by } = period
  const grouped = listSums(db, userId, period, by)
  const [groups, byDay] = await Promise.all([grouped, by === 'day' ? grouped : listSums(db, userId, period, 'day')])
  const all = groups.find(({ isAll }) => isAll)
  const named = groups.filter(({ isAll }) => !isAll)
  // The dearest come first; of hundreds the others are one line.
  const shown = by === 'day' ? named : named.slice(0, MOST_ROWS)
  const others = named.slice(shown.length)
  const names = by === 'conversation' ? await titlesOf(db, userId, shown) : null
  return {
    range: period.range,
    by,
    ranges: shownRanges.map(name => ({
      name,
      url: addressOf({ ...period, range: name }),
      current: period.range === name,
    })),
    groupings: groupings.map(name => ({ name, url: addressOf({ ...period, by: name }), current: by === name })),
    from: period.from,
    until: period.until,
    zone: period.zone,
    rows: [
      ...shown.map(group => ({
        ...viewSums(group),
        name: nameOf(by, group, names, t),
        url: urlOf(by, group, period),
      })),
      ...(others.length > 0
        ? [{ ...sumOf(others.map(viewSums)), name: t('spend.page.others', { count: others.length }), url: null }]
        : []),
    ],
    total: all ? viewSums(all) : null,
    days: chartOf(period, byDay),
    files: { csv: addressOf(period, '/spend/receipts.csv'), json: addressOf(period, '/spend/receipts.json') },
  }
}

function sumOf(all: readonly SumsView[]): SumsView {
  const add = (one: (each: SumsView) => number) => all.reduce((sum, each) => sum + one(each), 0)
  return {
    calls: add(({ calls }) => calls),
    usd: add(({ usd }) => usd),
    guessed: { usd: add(({ guessed }) => guessed.usd), paid: add(({ guessed }) => guessed.paid) },
    unsettled: { calls: add(({ unsettled }) => unsettled.calls), usd: add(({ unsettled }) => unsettled.usd) },
    unknown: { calls: add(({ unknown }) => unknown.calls), usd: add(({ unknown }) => unknown.usd) },
  }
}

export function viewSums(sums: Sums): SumsView {
  return {
    calls: sums.calls,
    usd: Number(sums.usd),
    guessed: { usd: Number(sums.guessedUsd), paid: Number(sums.guessedPaidUsd) },
    unsettled: { calls: sums.unsettled, usd: Number(sums.unsettledUsd) },
    unknown: { calls: sums.unknown, usd: Number(sums.unknownUsd) },
  }
}

function chartOf(period: Period, groups: readonly Group[]): Sight['days'] {
  if (period.from === period.until) return null
  const known = new Map(groups.map(group => [group.id, viewSums(group)]))
  return daysOf(period).map(day => {
    const sums = known.get(day)
    return { day, usd: sums?.usd ?? 0, open: (sums?.unsettled.usd ?? 0) + (sums?.unknown.usd ?? 0) }
  })
}

function titlesOf(db: Db, userId: number, groups: readonly Group[]): Promise<Map<string, string | null>> {
  return listTitles(
    db,
    userId,
    groups.flatMap(({ id }) => id ?? []),
  )
}

function nameOf(by: Grouping, { id, name }: Group, titles: Map<string, string | null> | null, t: Translate): string {
  if (by === 'kind') return t(`spend.page.kinds.${name as ReceiptKind}`)
  if (by === 'who') return id === null ? t('spend.page.me') : (name ?? t('spend.page.no_name'))
  if (by === 'key') return name ?? t('spend.page.no_key')
  if (by === 'conversation')
    return id === null ? t('spend.page.no_conversation') : titles?.get(id) || t('spend.page.no_name')
  return name ?? ''
}

function urlOf(by: Grouping, { id }: Group, period: Period): string | null {
  if (id === null) return null
  if (by === 'conversation') return `/chat/${id}`
  return by === 'day' && period.from !== period.until
    ? addressOf({ ...period, range: 'days', from: id, until: id, by: 'kind' })
    : null
}
