import pLimit from 'p-limit'
import { expectUser } from '../session/queries.ts'
import { takeConversation } from './conversations.ts'
import { takeExhibit } from './gallery.ts'
import { takeKey } from './keys.ts'
import { filePicture, type MoveDeps, NotTaken, takeAsset } from './pictures.ts'
import { createReport, type Report } from './report.ts'
import type { Source, SourceItem } from './source.ts'
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
  await each(walk, 'pictures', 'playground_library_items', queries.eachItem(source.db), async items => {
    const assets = await assetsOf(source, items)
    return item => takeItem(deps, source, item, assets, report)
  })
  await each(walk, 'conversations', 'playground_conversations', queries.eachConversation(source.db), async () => {
    return conversation => takeConversation(deps, source, conversation, report)
  })
  await each(walk, 'exhibits', 'playground_gallery_items', queries.eachExhibit(source.db), async items => {
    const assets = await assetsOf(source, items)
    return item => takeExhibit(deps, source, item, assets.get(item.assetToken ?? ''), report)
  })
  await each(walk, 'keys', 'playground_ssh_keys', queries.eachKey(source.db), async () => {
    return key => takeKey(deps, key, report)
  })
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

/** Page by page, a few at a time; one that cannot be taken keeps no other. */
async function each<Row extends { id: string }>(
  { deps, report, progress, source, tables }: Walk,
  kind: Kind,
  table: string,
  pages: AsyncIterable<Row[]>,
  prepare: (rows: Row[]) => Promise<(row: Row) => Promise<void>>,
): Promise<void> {
  if (!tables.includes(table)) return report.note(`${table} is not there`, table)
  const total = await queries.countSource(source.db, table)
  const limit = pLimit(AT_ONCE)
  const known = new Map<number, Promise<boolean>>()
  const isExpected = (userId: number) => {
    const asked = known.get(userId) ?? expectUser(deps.db, userId)
    known.set(userId, asked)
    return asked
  }
  let done = 0
  for await (const rows of pages) {
    const take = await prepare(rows)
    const outcomes = await Promise.allSettled(
      rows.map(row =>
        limit(async () => {
          try {
            if (!(await isExpected(ownerOf(row)))) throw new NotTaken('its owner is leaving')
            await take(row)
          } catch (error) {
            if (!(error instanceof NotTaken)) throw error
            report.left(kind, error.message, `${row.id} ${error.detail}`.trim())
          }
          progress(kind, ++done, total)
        }),
      ),
    )
    const failed = outcomes.find(outcome => outcome.status === 'rejected')
    if (failed) throw failed.reason
  }
}

function ownerOf(row: object): number {
  return Number('userId' in row ? row.userId : 'sharedByUserId' in row ? row.sharedByUserId : Number.NaN)
}

async function assetsOf(source: Source, items: readonly { assetToken: string | null }[]) {
  const tokens = items.map(({ assetToken }) => assetToken).filter(token => token !== null)
  return new Map((await queries.listAssets(source.db, tokens)).map(asset => [asset.publicToken, asset]))
}

async function takeItem(
  deps: MoveDeps,
  source: Source,
  item: SourceItem,
  assets: Awaited<ReturnType<typeof assetsOf>>,
  report: Report,
): Promise<void> {
  if (!item.assetToken) {
    throw new NotTaken(item.remoteUrl ? 'lies elsewhere: its address is told' : 'has no bytes', item.remoteUrl ?? '')
  }
  const asset = assets.get(item.assetToken)
  if (!asset) throw new NotTaken('its file has no row')
  if (asset.userId !== item.userId) throw new NotTaken('is a file of somebody else')
  const token = await takeAsset(deps, source, asset)
  report[(await filePicture(deps, item.userId, { id: item.id, token }, item)) ? 'taken' : 'there']('pictures')
}
