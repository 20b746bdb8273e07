import { z } from 'zod'
import { defaultModel } from '../models/image-models.ts'
import { judgements } from '../spend/judge.ts'
import { longestSignatureText } from './signature.ts'
import { longestKeyText } from './ssh-key.ts'

// What the JSON routes read and answer. The OpenAPI document is generated from these; `meta` is for it alone: limits are told by
// those who know the words for them.

/** The body is parsed after its data URLs went to files: each has left its number. */
export const DataUrl = z.union([z.string(), z.int().min(0)]).meta({
  type: 'string',
  description: 'A base64 data URL of a PNG, JPEG or WebP picture of at most 20 MiB',
  minLength: 1,
  maxLength: 28_000_000,
})
const base64Picture = {
  name: z.string().nullish(),
  mime_type: z.string().nullish(),
  data_url: DataUrl.nullish(),
}
const Picture = z.object({
  ...base64Picture,
  asset_token: z
    .string()
    .meta({ description: 'Of a picture of your own: its token, or its id', minLength: 32, maxLength: 36 })
    .nullish(),
  image_url: z.string().nullish(),
  remote_url: z.string().nullish(),
})
const typedNumber = z.union([z.number(), z.string()]).nullish()

export const Payload = z.object({
  prompt: z.string().meta({ minLength: 1, maxLength: defaultModel.maxPromptLength }),
  model: z.string().meta({ maxLength: 64 }).nullish(),
  size: z.string().meta({ description: '`1024x1024`, or `auto`', maxLength: 32 }).nullish(),
  quality: z.string().nullish(),
  mode: z.enum(['generate', 'edit']).nullish(),
  n: typedNumber,
  images: z.array(Picture).nullish(),
  mask: z.object(base64Picture).nullish(),
  output_format: z.string().nullish(),
  output_compression: typedNumber,
  background: z.string().nullish(),
  moderation: z.string().nullish(),
  conversation_id: z.string().nullish(),
})
export type Payload = z.output<typeof Payload>

/** What clients of the first product send along, and the server decides by itself. */
const accepted = ['response_format', 'stream', 'partial_images', 'source', 'ppt_context', 'assistant_message_id']

/**
 * Where a name of the payload differs from a known one in letter case only, as a path; null where none does. Other names
 * are ignored, but this one was meant.
 */
export function misspelt(payload: unknown): string | null {
  const { images, mask } = Object(payload) as Record<string, unknown>
  return (
    nameIn(payload, '', ['payload', ...Object.keys(Payload.shape), ...accepted]) ??
    (Array.isArray(images) ? images : [])
      .map((image, index) => nameIn(image, `images[${index}].`, Object.keys(Picture.shape)))
      .find(name => name !== null) ??
    nameIn(mask, 'mask.', Object.keys(base64Picture))
  )
}

function nameIn(object: unknown, place: string, known: readonly string[]): string | null {
  if (typeof object !== 'object' || object === null) return null
  const name = Object.keys(object).find(each => !known.includes(each) && known.includes(each.toLowerCase()))
  return name === undefined ? null : place + name
}

const PublicKey = z.string().meta({ minLength: 1, maxLength: longestKeyText })
export const Signature = z
  .string()
  .meta({ description: 'Armored SSHSIG', minLength: 1, maxLength: longestSignatureText })
export const ChallengeRequest = z.object({ public_key: PublicKey })
export const LoginRequest = z.object({ public_key: PublicKey, challenge_id: z.string(), signature: Signature })
export const ProofAnswer = z.object({ message: z.string(), fingerprint: z.string() })

export const TaskStatus = z.enum(['queued', 'processing', 'completed', 'failed'])
export type TaskStatus = z.output<typeof TaskStatus>
export const TasksQuery = z.object({
  status: TaskStatus.optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(100).optional(),
})

export const PictureQuery = z.object({ index: z.coerce.number().int().min(0).default(0) })
export const DownloadQuery = PictureQuery.extend({ original: z.enum(['0', '1']).optional() })

export const ChallengeAnswer = z.object({
  challenge_id: z.uuid(),
  fingerprint: z.string(),
  namespace: z.string(),
  message: z.string(),
  expires_in: z.number(),
})
export const LoginAnswer = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.number(),
  user: z.object({ id: z.number() }),
  ssh_key: z.object({ id: z.uuid(), name: z.string(), fingerprint: z.string() }),
})
const Warning = z.object({
  parameter: z
    .enum(['size', 'n', 'quality', 'output_format', 'background', 'previews'])
    .describe('as the payload calls it; `previews` are those of edits, as its owner has chosen'),
  verdict: z
    .enum(['ignored', 'changed'])
    .describe('it does as if it had not been asked, or makes something else of it'),
  asked: z.string().describe('the last time that it was not done'),
  came: z.string().describe('instead of it'),
  message: z.string().describe('the same as a sentence'),
})
export type Warning = z.output<typeof Warning>
export const CreatedAnswer = z.object({
  task_id: z.uuid(),
  status: TaskStatus,
  message: z.string(),
  warnings: z
    .array(Warning)
    .describe('what of this task the API key that pays has not done lately; empty where nothing is known against it'),
})
export const Said = {
  returned: z
    .object({
      size: z.string().optional(),
      quality: z.string().optional(),
      format: z.string().optional(),
      background: z.string().optional(),
      model: z.string().optional(),
    })
    .describe('What the gateway says that it made, as far as it says so'),
  revised_prompt: z.string().nullable().describe('What the model made of the prompt, where it changed it and says so'),
}
const TaskImage = z.object({
  id: z.uuid(),
  /** Counts the pictures as they were made: what is in the trash keeps its own. */
  index: z.number(),
  prompt: z.string(),
  size: z.string(),
  data_url: z.null(),
  mime_type: z.string(),
  remote_url: z.null(),
  image_url: z.string(),
  condition: z.enum(['whole', 'preview', 'incomplete', 'undecodable']),
  /** As it came, where a copy of it is shown. */
  original_url: z.string().nullable(),
  original_mime_type: z.string().nullable(),
  ...Said,
})
const TaskReceipt = z.object({
  id: z.uuid(),
  verdict: z
    .enum(judgements)
    .describe(
      'whether it delivered and cost what was asked for. Where several are true it is the first of this list that costs money, else the first; `not_settled` until the gateway has told the bill',
    ),
  asked: z.object({
    size: z.string(),
    quality: z.string(),
    n: z.number().nullable(),
    tier: z.string().nullable().describe('by the longest edge: 1K, 2K or 4K; null for size `auto`'),
    usd: z.number().nullable().describe('the estimate, at most'),
  }),
  delivered: z
    .object({ n: z.number(), damaged: z.number(), sizes: z.array(z.string()), tier: z.string().nullable() })
    .nullable()
    .describe('as it was decoded here; null while it is not told'),
  billed: z.object({
    charged: z.enum(['yes', 'no', 'unknown']),
    usd: z.number().nullable(),
    by: z.enum(['picture', 'tokens']).nullable(),
    n: z.number().nullable(),
    tier: z.string().nullable(),
    rate: z.number().nullable().describe('the multiplier of group or person'),
  }),
})
export const TaskAnswer = z.object({
  task_id: z.uuid(),
  status: TaskStatus,
  conversation_id: z.string().nullable(),
  mode: z.enum(['generate', 'edit']),
  prompt: z.string(),
  size: z.string(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  error: z.string().nullable(),
  result: z.object({ images: z.array(TaskImage) }).nullable(),
  state: z.enum(['queued', 'running', 'done', 'failed', 'unknown', 'cancelled']),
  /** `store`: made and safe, but the store cannot be reached at the moment. */
  failure: z.string().nullable(),
  charged: z.enum(['yes', 'no', 'unknown']).nullable(),
  progress: z.object({ pictures: z.number(), of: z.number(), preview: z.number().nullable() }),
  model: z.string(),
  quality: z.string(),
  n: z.number(),
  estimate: z
    .number()
    .nullable()
    .describe(
      'US dollars, at most, until `cost` is known: for all `n` pictures, then for what was made; 0 when nothing was charged. Of size `auto` the tier is that of the picture that comes back',
    ),
  estimate_stale: z
    .boolean()
    .describe('the price could not be checked when the task was made: it is the last known one'),
  waiting: z
    .enum([
      'key_window_5h',
      'key_window_1d',
      'key_window_7d',
      'key_concurrency',
      'gateway',
      'balance',
      'store',
      'spill',
    ])
    .nullable()
    .describe(
      'what it waits for. A queued task is not sent before `retry_at`: a spending window of the API key is full, or the gateway asked to slow down or could not be reached (`gateway`). It is sent as soon as another one of its API key is over, of which the gateway takes no more at once (`key_concurrency`), or as the balance of its owner covers it (`balance`). Where the store for pictures has not answered yet (`store`), or is away and no more can be put aside (`spill`), no task is begun. A processing task has its pictures, and the store does not take them yet (`store`)',
    ),
  retry_at: z.iso.datetime().nullable(),
  usual_seconds: z
    .object({ from: z.number(), to: z.number() })
    .nullable()
    .describe(
      'how long eight of ten like it took lately, from when they were sent on; null while that is not known (fewer than 20), and of what is over',
    ),
  cost: z.number().nullable(),
  receipt: TaskReceipt.nullable().describe('of its newest call to the gateway; null before one'),
  /** All that can be downloaded of a task that is over, however it ended: previews and what cannot be shown, too. */
  kept: z.array(TaskImage),
  unfetched: z
    .array(z.string())
    .describe(
      'where the gateway says that pictures are which this server could not fetch from there; such addresses often stop working soon',
    ),
})
export type TaskAnswer = z.output<typeof TaskAnswer>
export const TasksAnswer = z.object({ tasks: z.array(TaskAnswer), next_cursor: z.string().nullable() })
export const MeAnswer = z.object({
  user: z.object({ id: z.number(), email: z.string(), name: z.string() }),
  balance: z.number().nullable(),
  ssh_key: z.object({ id: z.uuid(), name: z.string(), type: z.string(), fingerprint: z.string() }),
  api_key: z.object({ name: z.string(), group: z.string().nullable(), allows_images: z.boolean() }),
  limits: z.object({
    pictures_per_day: z.number().nullable(),
    jobs_at_once: z.number().nullable(),
    sizes: z.array(z.string()).nullable(),
    qualities: z.array(z.string()).nullable(),
    spend_per_day: z.number().nullable(),
    spend_total: z.number().nullable(),
  }),
  used: z.object({
    pictures_today: z.number(),
    unfinished: z.number(),
    spent_today: z.number(),
    spent_total: z.number(),
  }),
})
export const LogoutAnswer = z.object({ message: z.string() })
