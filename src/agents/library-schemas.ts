import { z } from 'zod'
import { kinds, sorts } from '../library/filter.ts'
import { copyFormats } from '../library/send-copy.ts'
import { Asked } from '../models/asked.ts'
import { Said } from './schemas.ts'

const typedId = z.guid().toLowerCase()
const dollars = z.string().regex(/^\d{1,6}(\.\d{1,6})?$/)

const Page = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z.string().max(100).optional().describe('next_cursor of the page before, of the same list'),
})

// What is meant otherwise than it is read is refused: with a filter that is left out, something else would be found.
const filter = {
  q: z
    .string()
    .max(200)
    .optional()
    .describe('Words, each to be found in the prompt, the revised prompt, a tag or the folder'),
  folder: z
    .union([z.literal('none'), typedId])
    .optional()
    .describe('Its id; `none`: in no folder'),
  tag: z
    .union([z.string(), z.array(z.string()).max(20)])
    .optional()
    .describe('Again for each: a picture has all of them'),
  favourite: z.literal('on').optional(),
  kind: z.enum(kinds).optional().describe('`pictures`: all but uploads'),
  model: z.string().max(200).optional(),
  size: z
    .string()
    .regex(/^\d{1,5}x\d{1,5}$/)
    .optional(),
  quality: z.string().max(50).optional(),
  from: z.iso.date().optional().describe('The first day'),
  until: z.iso.date().optional().describe('The last day'),
  cost_from: dollars.optional().describe('US dollars'),
  cost_until: dollars.optional().describe('US dollars'),
  time_zone: z.string().max(100).optional().describe('Whose days are meant, `Europe/Berlin`; else UTC'),
}
export const MatchQuery = z.strictObject(filter)
export const PicturesQuery = z.strictObject({ ...filter, sort: z.enum(sorts).optional(), ...Page.shape })
export const TrashQuery = z.strictObject(Page.shape)
export const DownloadQuery = z.strictObject({
  format: z.enum(copyFormats).optional().describe('A copy in another format than its own'),
  original: z.enum(['0', '1']).optional().describe('`1`: as it came, where another file is shown'),
})

export const LibraryPicture = z.object({
  id: z.uuid(),
  kind: z.enum(['made', 'composed', 'uploaded']),
  prompt: z.string(),
  ...Said,
  model: z.string(),
  width: z.number(),
  height: z.number(),
  mime_type: z.string(),
  bytes: z.number(),
  condition: z.enum(['whole', 'preview', 'incomplete', 'undecodable']),
  favourite: z.boolean(),
  folder: z.object({ id: z.uuid(), name: z.string() }).nullable(),
  tags: z.array(z.string()),
  created_at: z.iso.datetime(),
  deleted_at: z.iso.datetime().nullable(),
  cost: z.number().nullable().describe('US dollars: its share of what the call was charged'),
  asked: Asked.nullable().describe('What the call asked for, where one made it'),
  task_id: z.uuid().nullable().describe('Of the job that made it: a task, where this SSH key asked for it'),
  asset_token: z.string().describe('To use it in a task'),
  image_url: z.string(),
  thumbnail_url: z.string(),
  original_url: z.string().nullable(),
})
export type LibraryPicture = z.output<typeof LibraryPicture>

const Relative = z.object({
  id: z.uuid(),
  steps: z.number().describe('1 is the next'),
  prompt: z.string(),
  image_url: z.string(),
})
export const PicturesAnswer = z.object({ pictures: z.array(LibraryPicture), next_cursor: z.string().nullable() })
export const PictureAnswer = LibraryPicture.extend({
  made_from: z.array(Relative).describe('What it came from, nearest first'),
  made_into: z.array(Relative).describe('What came from it, nearest first'),
})
export const MonthsAnswer = z.object({
  total: z.number(),
  months: z.array(z.object({ month: z.string().describe('`2026-11`'), count: z.number() })),
})
export const NamesAnswer = z.object({
  folders: z.array(z.object({ id: z.uuid(), name: z.string() })),
  tags: z.array(z.string()),
})

export const ChangeRequest = z.strictObject({
  did: z.enum(['favourite', 'unfavourite', 'move', 'tag', 'untag', 'delete', 'restore']),
  ids: z.array(typedId).min(1).max(1000),
  folder: z
    .string()
    .max(5000)
    .optional()
    .describe('Its name, for `move`; it is made if there is none. Empty: no folder'),
  tags: z.array(z.string().max(1000)).max(20).optional().describe('For `tag` and `untag`'),
})
export const ChangeAnswer = z.object({
  change_id: z.uuid().describe('To undo it, for a day'),
  count: z.number().describe('How many pictures of the library it is about'),
})
export const UndoAnswer = z.object({ undone: z.literal(true) })
