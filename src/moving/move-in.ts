import pLimit from 'p-limit'
import { expectUser } from '../session/queries.ts'
import { takeAssets } from './assets.ts'
import { takeConversation } from './conversations.ts'
import { takeExhibit } from './gallery.ts'
import { takeKey } from './keys.ts'
import { filePictures, type MoveDeps, NotTaken } from './pictures.ts'
import { createReport, type Report } from './report.ts'
import type { Source, SourceAsset, SourceExhibit, SourceItem } from './source.ts'
import * as queries from './source-queries.ts'

const AT_ONCE = 16

type Progress = (what: string, done: number, total: number) => void
type Kind = Parameters<Report['left']>[0]

/**
 * Brings over what people have in the first product: pictures with folders, tags, favourites and trash, conversations,
 * what is shown and liked, SSH keys to be proved. The source is only read. What is here already stays as it is, so that
 * it may be run again, after whatever stopped it.
 */
export async function moveIn(deps: MoveDeps, source: Source, progress: Progress): Promise<Report> {
  const report = createReport()
  const tables = await queries.listSourceTables(source.db)
  const walk = { deps, report, progress, source, tables }
  await each(walk, 'pictures', 'playground_library_items', queries.eachItem(source.db), items =>
    takeItems(deps, source, items, report),
  )
  await each(walk, 'conversations', 'playground_conversations', queries.eachConversation(source.db), (rows, done) =>
    oneByOne(rows, 'conversations', report, done, row => takeConversation(deps, source, row, report)),
  )
  await each(walk, 'exhibits', 'playground_gallery_items', queries.eachExhibit(source.db), async (rows, done) => {
    const assets = await assetsOf(source, rows)
    const take = (row: SourceExhibit) => takeExhibit(deps, source, row, assets.get(row.assetToken ?? ''), report)
    await oneByOne(rows, 'exhibits', report, done, take)
  })
  await each(walk, 'keys', 'playground_ssh_keys', queries.eachKey(source.db), (rows, done) =>
    oneByOne(rows, 'keys', report, done, row => takeKey(deps, row, report)),
  )
  if (tables.includes('playground_image_tasks')) {
    const count = await queries.countSource(source.db, 'playground_image_tasks')
    if (count > 0) report.note('tasks are not taken, nor the API keys in them: what they made is', `${count} rows`)
  }
  return report
}

interface Walk {
  deps: MoveDeps
  report: Report
  progress: Progress
  source: Source
  tables: readonly string[]
}

/** Page by page, without what is of people who leave. `take` says `done` of each that it has come to early. */
async function each<Row extends { id: string }>(
  { deps, report, progress, source, tables }: Walk,
  kind: Kind,
  table: string,
  pages: AsyncIterable<Row[]>,
  take: (rows: Row[], done: () => void) => Promise<void>,
): Promise<void> {
  if (!tables.includes(table)) return report.note(`${table} is not there`, table)
  const total = await queries.countSource(source.db, table)
  const known = new Map<number, boolean>()
  let done = 0
  for await (const rows of pages) {
    const upTo = done + rows.length
    const expected: Row[] = []
    for (const row of rows) {
      const owner = ownerOf(row)
      const isExpected = known.get(owner) ?? (await expectUser(deps.db, owner))
      known.set(owner, isExpected)
      if (isExpected) expected.push(row)
      else report.left(kind, 'its owner is leaving', row.id)
    }
    await take(expected, () => progress(kind, ++done, total))
    done = upTo
    progress(kind, done, total)
  }
}

/** A few at a time; one that cannot be taken keeps no other. */
async function oneByOne<Row extends { id: string }>(
  rows: readonly Row[],
  kind: Kind,
  report: Report,
  done: () => void,
  take: (row: Row) => Promise<void>,
): Promise<void> {
  const limit = pLimit(AT_ONCE)
  const outcomes = await Promise.allSettled(
    rows.map(row =>
      limit(async () => {
        try {
          await take(row)
        } catch (error) {
          if (!(error instanceof NotTaken)) throw error
          report.left(kind, error.message, `${row.id} ${error.detail}`.trim())
        }
        done()
      }),
    ),
  )
  const failed = outcomes.find(outcome => outcome.status === 'rejected')
  if (failed) throw failed.reason
}

function ownerOf(row: object): number {
  return Number('userId' in row ? row.userId : 'sharedByUserId' in row ? row.sharedByUserId : Number.NaN)
}

async function assetsOf(source: Source, items: readonly { assetToken: string | null }[]) {
  const tokens = items.map(({ assetToken }) => assetToken).filter(token => token !== null)
  return new Map((await queries.listAssets(source.db, tokens)).map(asset => [asset.publicToken, asset]))
}

/** A whole page together. */
async function takeItems(deps: MoveDeps, source: Source, items: readonly SourceItem[], report: Report): Promise<void> {
  const assets = await assetsOf(source, items)
  const own = items.filter(item => {
    const why = refusalOf(item, assets.get(item.assetToken ?? ''))
    if (why) leave(item, why)
    return !why
  })
  const outcomes = await takeAssets(
    deps,
    source,
    own.map(({ assetToken }) => assets.get(assetToken!)!),
  )
  const taken = own.flatMap(item => {
    const token = outcomes.get(item.assetToken!)!
    if (typeof token === 'string') return { id: item.id, userId: item.userId, token, said: item }
    leave(item, token)
    return []
  })
  const people = Map.groupBy(taken, ({ userId }) => userId)
  await Promise.all(
    [...people].map(async ([userId, filings]) => {
      const filed = await filePictures(deps, userId, filings)
      for (const { id } of filings) report[filed.has(id) ? 'taken' : 'there']('pictures')
    }),
  )

  function leave(item: SourceItem, { message, detail }: NotTaken): void {
    report.left('pictures', message, `${item.id} ${detail}`.trim())
  }
}

function refusalOf({ assetToken, remoteUrl, userId }: SourceItem, asset: SourceAsset | undefined): NotTaken | null {
  if (!assetToken) {
    return new NotTaken(remoteUrl ? 'lies elsewhere: its address is told' : 'has no bytes', remoteUrl ?? '')
  }
  if (!asset) return new NotTaken('its file has no row')
  return asset.userId === userId ? null : new NotTaken('is a file of somebody else')
}
