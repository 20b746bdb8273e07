import type { Page } from '../web/page.ts'
import { addressOf, type Filter, fieldsOf, isNarrow, kinds, queryOf, readFilter, sorts } from './filter.ts'
import type { Folder, Tag } from './folder-queries.ts'
import { type Facet, type Month, type Place, placeOf, type Tile } from './list-queries.ts'
import type { Picture } from './queries.ts'
import type { FiltersView, FilterView, LibraryView, TilesView, TileView } from './view.ts'

type Chip = FilterView['chips'][number]
const MOST_CHOICES = 100

/** `after`: a moment of the day that stands above them already. */
export function viewTiles(
  page: Pick<Page, 'day'>,
  filter: Filter,
  tiles: readonly Tile[],
  { hasMore, after }: { hasMore: boolean; after: Date | null },
): TilesView {
  const last = tiles.at(-1)
  const place = last && writePlace(placeOf(last))
  const hasDays = filter.sort === 'newest' || filter.sort === 'oldest'
  let day = after && page.day(after)
  return {
    tiles: tiles.map(tile => {
      const own = page.day(tile.createdAt)
      const isFirst = hasDays && own !== day
      day = own
      return viewTile(tile, isFirst)
    }),
    query: queryOf(filter),
    older: hasMore && place ? addressOf(filter, {}, { before: place }) : null,
    through: place ? addressOf(filter, {}, { through: place }) : null,
  }
}

function viewTile(tile: Tile, isFirst: boolean): TileView {
  const { id, width, height, hasAlpha, color, prompt, favourite, condition, createdAt } = tile
  const day = isFirst ? createdAt : null
  return {
    id,
    url: `/files/${tile.token}`,
    width,
    height,
    hasAlpha,
    color,
    prompt,
    favourite,
    condition,
    day,
    isDeleted: false,
  }
}

/** One picture of the list again, after it was changed. */
export function viewCell(picture: Picture): TileView {
  const { deletedAt, createdAt } = picture
  const tile = { ...picture, prompt: picture.prompt.slice(0, 200), at: createdAt }
  return { ...viewTile(tile, false), isDeleted: deletedAt !== null }
}

export function writePlace({ at, id }: Place): string {
  return `${at.toString(36)}.${id}`
}

/** Null for the beginning, and for anything that is no place in a list. */
export function readPlace(value: unknown): Place | null {
  const [, at, id] = /^(-?[0-9a-z]{1,11})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(String(value)) ?? []
  if (!at || !id) return null
  const key = Number.parseInt(at, 36)
  return Math.abs(key) <= 8.64e15 ? { at: key, id } : null
}

export function viewFilter(filter: Filter, folder: Folder | null, tags: readonly Tag[]): FilterView {
  const chips: FilterView['chips'] = []
  const chip = (what: Exclude<Chip['what'], 'kind' | 'sort'>, value: string, changes: Partial<Filter>) =>
    chips.push({ what, value, without: addressOf(filter, changes) })
  const { kind, favourite, model, size, quality, from, until, costFrom, costUntil, sort } = filter
  // All that lies in a folder, and nothing else: a place of its own.
  const isFolder =
    folder !== null &&
    fieldsOf({ ...filter, folder: null, kind: 'pictures', q: '', sort: 'newest' }).length === 0 &&
    kind === 'all'
  if (filter.folder && !isFolder) chip('folder', folder?.name ?? '', { folder: null })
  for (const key of filter.tags) {
    const name = tags.find(tag => tag.key === key)?.name ?? key
    chip('tag', name, { tags: filter.tags.filter(other => other !== key) })
  }
  const isTab = kind === 'pictures' || (kind === 'uploaded' && !favourite)
  if (!isTab && !isFolder) chips.push({ what: 'kind', value: kind, without: addressOf(filter, { kind: 'pictures' }) })
  if (model) chip('model', model, { model: null })
  if (size) chip('size', `${size.width} × ${size.height}`, { size: null })
  if (quality) chip('quality', quality, { quality: null })
  if (from || until) chip('dates', [from, until].map(day => day ?? '…').join(' – '), { from: null, until: null })
  if (costFrom !== null || costUntil !== null) {
    const range = [costFrom, costUntil].map(usd => (usd === null ? '…' : `$${usd}`)).join(' – ')
    chip('cost', range, { costFrom: null, costUntil: null })
  }
  if (sort !== 'newest') chips.push({ what: 'sort', value: sort, without: addressOf(filter, { sort: 'newest' }) })
  const isPlain = kind === 'pictures'
  return {
    q: filter.q,
    tab:
      favourite && isPlain
        ? 'favourites'
        : kind === 'uploaded' && !favourite
          ? 'uploads'
          : isPlain
            ? 'pictures'
            : 'other',
    chips,
    fields: fieldsOf({ ...filter, q: '' }),
    isNarrow: isNarrow(filter),
    folder: isFolder ? folder.name : null,
  }
}

export function viewYears(months: readonly Month[], filter: Filter, here: string | null): LibraryView['years'] {
  const years = new Map<string, LibraryView['years'][number]>()
  for (const { month, count } of months) {
    const year = month.slice(0, 4)
    const entry = years.get(year) ?? { year, months: [] }
    const url = addressOf(filter, {}, { at: month })
    entry.months.push({ month, first: new Date(`${month}-15T12:00:00Z`), count, url, isHere: month === here })
    years.set(year, entry)
  }
  const all = [...years.values()]
  return filter.sort === 'oldest' ? all.toReversed().map(each => ({ ...each, months: each.months.toReversed() })) : all
}

/** What there is to choose from; what is chosen is there, though nothing matches. */
export function viewFilters(
  filter: Filter,
  facets: readonly Facet[],
  folders: readonly Folder[],
  tags: readonly Tag[],
): FiltersView {
  const counts = (facet: string, chosen: readonly string[]) => {
    const found = facets.filter(each => each.facet === facet).slice(0, MOST_CHOICES)
    const missing = chosen.filter(value => !found.some(each => each.value === value))
    return [...found, ...missing.map(value => ({ value, count: 0 }))].map(({ value, count }) => ({ value, count }))
  }
  const named = (list: { value: string; count: number }[], nameOf: (value: string) => string | undefined) =>
    list.flatMap(({ value, count }) => {
      const name = nameOf(value)
      return name === undefined ? [] : [{ value, name, count, isChosen: filter.tags.includes(value) }]
    })
  const same = (value: string | null) => (value === null ? [] : [value])
  const { size } = filter
  return {
    filter,
    kinds,
    sorts,
    models: counts('model', same(filter.model)),
    sizes: counts('size', same(size && `${size.width}x${size.height}`)),
    qualities: counts('quality', same(filter.quality)),
    folders: named(counts('folder', same(filter.folder)), id => folders.find(folder => folder.id === id)?.name),
    tags: named(counts('tag', filter.tags), key => tags.find(tag => tag.key === key)?.name ?? key),
    query: queryOf(filter),
    isNarrow: isNarrow(filter),
    clear: addressOf(filter, { ...readFilter({}), q: filter.q }),
  }
}
