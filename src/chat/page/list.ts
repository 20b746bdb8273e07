import type { Db } from '../../db/db.ts'
import type { Page } from '../../web/page.ts'
import { type Cursor, cursorOf } from '../../web/paging.ts'
import { type Conversation, listConversations, listFound, listPinned } from '../conversation-queries.ts'
import type { ListView, RowView } from './view.ts'

const ROWS_PER_PAGE = 40
const DAY_MS = 86_400_000

interface ListWishes {
  /** Words to find; '' for all. */
  search: string
  before: Cursor | null
  /** The conversation that is open. */
  current: string | null
  open: boolean
}

/** A person's conversations under the days they were last spoken in, in the reader's time zone. */
export async function loadList(db: Db, page: Page, userId: number, wishes: ListWishes): Promise<ListView> {
  const { search, before, current, open } = wishes
  const options = { search: search || null, before, limit: ROWS_PER_PAGE + 1 }
  const [rows, pinned] = await Promise.all([
    listConversations(db, userId, options),
    search || before ? [] : listPinned(db, userId),
  ])
  const shown = rows.slice(0, ROWS_PER_PAGE)
  const last = shown.at(-1)
  const found = search
    ? await listFound(
        db,
        userId,
        shown.map(each => each.id),
        search,
      )
    : new Map<string, string>()
  const query = new URLSearchParams({
    ...(search && { q: search }),
    ...(last && { before: cursorOf(last.updatedAt, last.id) }),
  })
  return {
    pinned: pinned.map(each => viewRow(each, current)),
    days: byDay(page, shown, found, before?.at ?? null, current),
    older: rows.length > ROWS_PER_PAGE ? `/chat/list?${query}` : null,
    search,
    open,
  }
}

export function viewRow(conversation: Conversation, current: string | null, found: string | null = null): RowView {
  const { id, title, pinnedAt, deletedAt } = conversation
  return { id, title, pinned: pinnedAt !== null, deleted: deletedAt !== null, current: id === current, found }
}

/** A page that goes on within a day does not name it again. */
function byDay(
  page: Page,
  rows: readonly Conversation[],
  found: ReadonlyMap<string, string>,
  before: Date | null,
  current: string | null,
): ListView['days'] {
  const words = new Map([
    [page.day(new Date()), page.t('chat.today')],
    [page.day(new Date(Date.now() - DAY_MS)), page.t('chat.yesterday')],
    ...(before ? [[page.day(before), ''] as const] : []),
  ])
  const days = Map.groupBy(rows, row => page.day(row.updatedAt))
  return [...days].map(([day, list]) => ({
    label: words.get(day) ?? day,
    rows: list.map(row => viewRow(row, current, found.get(row.id))),
  }))
}
