import { z } from 'zod'
import { cleanTags, nameKey } from './names.ts'

export const kinds = ['pictures', 'made', 'composed', 'uploaded', 'all'] as const
export const sorts = ['newest', 'oldest', 'largest', 'costliest'] as const
export type Sort = (typeof sorts)[number]

/** What of a library is shown, and in which order; its address says all of it. */
export interface Filter {
  /** As it was typed. */
  q: string
  /** Id of a folder; `none`: what lies in no folder. */
  folder: string | null
  /** Keys; a picture has all of them. */
  tags: readonly string[]
  favourite: boolean
  /** `pictures`: all but uploads. */
  kind: (typeof kinds)[number]
  model: string | null
  /** Measured, in pixels. */
  size: { width: number; height: number } | null
  quality: string | null
  /** Days of the viewer's zone, `2026-11-26`, both included. */
  from: string | null
  until: string | null
  /** US dollars. */
  costFrom: number | null
  costUntil: number | null
  sort: Sort
}

const LONGEST_SEARCH = 200
const MOST_WORDS = 12
const MOST_TAGS = 20

const text = (most: number) => z.string().trim().max(most).nullable().catch(null)
const day = z.iso.date().nullable().catch(null)
const dollars = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,6})?$/)
  .transform(Number)
  .nullable()
  .catch(null)
const Query = z.object({
  q: z
    .string()
    .transform(typed => Array.from(typed.trim()).slice(0, LONGEST_SEARCH).join(''))
    .catch(''),
  folder: z
    .union([z.literal('none'), z.guid().toLowerCase()])
    .nullable()
    .catch(null),
  tag: z
    .union([z.string(), z.array(z.string())])
    .transform(tags => cleanTags([tags].flat()).slice(0, MOST_TAGS).map(nameKey))
    .catch([]),
  favourite: z
    .string()
    .transform(value => value === 'on')
    .catch(false),
  kind: z.enum(kinds).catch('pictures'),
  model: text(200),
  size: z
    .string()
    .regex(/^\d{1,5}x\d{1,5}$/)
    .transform(size => size.split('x').map(Number))
    .nullable()
    .catch(null),
  quality: text(50),
  from: day,
  until: day,
  cost_from: dollars,
  cost_until: dollars,
  sort: z.enum(sorts).catch('newest'),
})

/** Of the fields of an address; what it cannot mean is as if it were not there. */
export function readFilter(query: unknown): Filter {
  const { tag, size, model, quality, cost_from: costFrom, cost_until: costUntil, ...same } = Query.parse(query ?? {})
  const [width = 0, height = 0] = size ?? []
  return {
    ...same,
    tags: tag,
    size: size && { width, height },
    model: model || null,
    quality: quality || null,
    costFrom,
    costUntil,
  }
}

/** The address of what is shown so; `changes` to it, and `more` of its own. */
export function addressOf(
  filter: Filter,
  changes: Partial<Filter> = {},
  more: Record<string, string> = {},
  path = '/library',
): string {
  const query = queryOf({ ...filter, ...changes }, more)
  return query ? `${path}?${query}` : path
}

export function queryOf(filter: Filter, more: Record<string, string> = {}): string {
  return new URLSearchParams([...fieldsOf(filter), ...Object.entries(more)]).toString()
}

/** Only what differs from showing everything. */
export function fieldsOf(filter: Filter): [string, string][] {
  const { q, folder, tags, favourite, kind, model, size, quality, from, until, costFrom, costUntil, sort } = filter
  const fields: [string, string | number | null][] = [
    ['q', q],
    ['folder', folder],
    ...tags.map((tag): [string, string] => ['tag', tag]),
    ['favourite', favourite ? 'on' : ''],
    ['kind', kind === 'pictures' ? '' : kind],
    ['model', model],
    ['size', size && `${size.width}x${size.height}`],
    ['quality', quality],
    ['from', from],
    ['until', until],
    ['cost_from', costFrom],
    ['cost_until', costUntil],
    ['sort', sort === 'newest' ? '' : sort],
  ]
  return fields.flatMap(([name, value]) => (value === null || value === '' ? [] : [[name, String(value)]]))
}

/** Whether it leaves anything out, but for uploads. */
export function isNarrow(filter: Filter): boolean {
  return fieldsOf({ ...filter, sort: 'newest', kind: 'pictures' }).length > 0
}

/** Each is to be found somewhere. */
export function wordsOf({ q }: Filter): string[] {
  return [...new Set(q.split(/\s+/u).filter(Boolean))].slice(0, MOST_WORDS)
}

/** Of an address of this site, or of its query, as a request has them. */
export function fieldsIn(address: string): Record<string, string | string[]> {
  const { searchParams } = new URL(address, 'http://here.invalid')
  return Object.fromEntries(
    [...new Set(searchParams.keys())].map(name => {
      const values = searchParams.getAll(name)
      return [name, values.length > 1 ? values : values[0]!]
    }),
  )
}
