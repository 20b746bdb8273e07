import type { Asked } from '../models/asked.ts'
import type { Change } from './change-queries.ts'
import type { Derived } from './derived.ts'
import type { Filter } from './filter.ts'
import type { Imported } from './import-queries.ts'
import type { Returned } from './queries.ts'

/** One picture as a tile, a page or the lightbox shows it. */
export interface PictureView {
  id: string
  /** `/files/<token>`: the original bytes. */
  url: string
  /** `/files/<token>/thumb`: small, by default at most 480 px. */
  thumbUrl: string
  downloadUrl: string
  /** Measured by decoding, in pixels. */
  width: number
  height: number
  format: string
  /** Bytes of the original. */
  bytes: number
  hasAlpha: boolean
  /** Average colour, `#rrggbb`: the placeholder. */
  color: string
  prompt: string
  model: string
  /** Requested, beside the measured width and height. */
  requestedSize: string
  quality: string
  /** The job that made it. */
  jobId: string | null
  /** `uploaded` ones have no prompt; `composed` ones were made here of others. */
  origin: 'made' | 'uploaded' | 'composed'
  /** Of an edit with a mask: 0 to 1, the share of the pixels outside it that changed; null otherwise, or not measured. */
  changedOutside: number | null
  /** How it was made here of another one, if it was. */
  derived: Derived | null
  /** Whether it was made from other pictures. */
  hasSources: boolean
  favourite: boolean
  createdAt: Date
  deletedAt: Date | null
  /**
   * `preview`: the last that was seen of a picture that never came. `incomplete`: only a part of it came. `undecodable`: bytes that
   * cannot be shown, only saved; a square stands for them.
   */
  condition: 'whole' | 'preview' | 'incomplete' | 'undecodable'
  /** As it came, to be saved, where a copy of it is shown. */
  original: { url: string; format: string; bytes: number } | null
}

/** What is known of one picture beside what it shows. */
export interface DetailsView {
  asked: Asked | null
  returned: Returned
  revisedPrompt: string
  /** US dollars. */
  cost: number | null
  /** When it came in with a file, and what was paid for it elsewhere: no part of what was spent here. */
  imported: Imported | null
  folder: { id: string; name: string; url: string } | null
  tags: { name: string; url: string }[]
  /** The formats in which a copy may be had. */
  formats: string[]
}

/** What a picture came from and what came from it, nearest first; bounded, so perhaps not all. */
export interface LineageView {
  ancestors: LineagePicture[]
  descendants: LineagePicture[]
}

interface LineagePicture {
  picture: PictureView
  /** Steps between the two: 1 is the next. */
  depth: number
}

/** A picture in the list. */
export interface TileView {
  id: string
  /** `/files/<token>`. */
  url: string
  width: number
  height: number
  hasAlpha: boolean
  color: string
  /** The beginning of its prompt. */
  prompt: string
  favourite: boolean
  condition: PictureView['condition']
  isDeleted: boolean
  /** The first of its day: the day's head stands before it. */
  day: Date | null
}

/** A part of the list, and where it goes on. */
export interface TilesView {
  tiles: TileView[]
  /** What is listed, as a query: pages of pictures go back to it and step through it. */
  query: string
  older: string | null
  /** What shows the list down to here again. */
  through: string | null
}

type Chip = { without: string } & (
  | { what: 'kind'; value: Filter['kind'] }
  | { what: 'sort'; value: Filter['sort'] }
  | { what: 'folder' | 'tag' | 'model' | 'size' | 'quality' | 'dates' | 'cost'; value: string }
)

export interface FilterView {
  q: string
  tab: 'pictures' | 'favourites' | 'uploads' | 'other'
  /** What narrows it, each with the address of the list without it. */
  chips: Chip[]
  /** All but the search, as a form repeats it. */
  fields: [string, string][]
  isNarrow: boolean
  /** A folder that is shown by itself. */
  folder: string | null
}

export interface LibraryView {
  list: TilesView
  /** Towards the newest, where the list does not begin there. */
  newer: string | null
  total: number
  years: { year: string; months: { month: string; first: Date; count: number; url: string; isHere: boolean }[] }[]
  filter: FilterView
  change: ChangeView | null
  /** When the list was looked at: what is done with all of it leaves out what came later. */
  asOf: string
  /** Of this list; where to come back to. */
  address: string
}

export interface UseView {
  /** Bytes. */
  used: number
  trash: number
  uploads: number
  limit: number
}

export interface TrashView {
  pictures: { picture: PictureView; daysLeft: number }[]
  older: string | null
  total: number
  /** When it was looked at: what comes into it later is not emptied with it. */
  asOf: string
  change: ChangeView | null
}

/** What was done with pictures, and can be undone. */
export interface ChangeView {
  id: string
  did: Change['did']
  count: number
  state: 'queued' | 'running' | 'done' | 'stopped' | 'undone'
  /** It is being put back, or was. */
  undoes: boolean
  /** Of very many pictures, which are changed part by part: how many there are to go through. */
  total: number
  done: number
}

interface Choice {
  value: string
  count: number
}

/** What a list may be narrowed by, each with how many of what is shown have it. */
export interface FiltersView {
  filter: Filter
  kinds: readonly Filter['kind'][]
  sorts: readonly Filter['sort'][]
  models: Choice[]
  /** `1024x1024`. */
  sizes: Choice[]
  qualities: Choice[]
  folders: (Choice & { name: string })[]
  tags: (Choice & { name: string; isChosen: boolean })[]
  /** To be saved as a smart folder. */
  query: string
  isNarrow: boolean
  /** The list without any of them. */
  clear: string
}

export interface FolderView {
  id: string
  name: string
  url: string
  /** Null: a saved search, which is not counted. */
  count: number | null
  /** Address of its thumbnail. */
  cover: string | null
  isSmart: boolean
}
