import { z } from 'zod'
import { parseStorable } from '../db/storable.ts'
import { Derived } from '../library/derived.ts'
import { ForeignReceipt } from '../library/import-queries.ts'

/** Of the entry, at the root of the ZIP. */
export const MANIFEST = 'manifest.json'
export const LARGEST_MANIFEST = 48 * 1024 ** 2

const text = (most: number) => z.string().max(most)
const word = text(200)
  .nullish()
  .transform(value => value ?? '')
const decimal = z.union([
  z.string().regex(/^\d{1,12}(\.\d{1,20})?$/),
  z
    .number()
    .min(0)
    .max(1e9)
    .transform(usd => usd.toFixed(10)),
])

const Receipt = z
  .object({
    model: text(200),
    called_at: z.iso.datetime(),
    charged: z.enum(['yes', 'no', 'unknown']),
    amount_usd: decimal.nullish(),
    estimate_usd: decimal.nullish(),
    billed_by: z.enum(['picture', 'tokens']).nullish(),
    request_id: text(200).nullish(),
  })
  .transform(said =>
    ForeignReceipt.parse({
      model: said.model,
      calledAt: said.called_at,
      charged: said.charged,
      amount: said.amount_usd ?? null,
      estimate: said.estimate_usd ?? null,
      billedBy: said.billed_by ?? null,
      requestId: said.request_id ?? null,
    }),
  )

/** What a manifest says of a picture: of its own ids, sizes and costs nothing is believed but that it says so. */
const Said = z.object({
  file: text(1000),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  origin: z.enum(['made', 'uploaded', 'composed']).default('made'),
  condition: z.enum(['whole', 'preview', 'incomplete', 'undecodable']).default('whole'),
  prompt: text(100_000).default(''),
  revised_prompt: text(100_000).nullish(),
  model: word,
  requested_size: word,
  quality: word,
  asked: z
    .object({
      model: text(200),
      size: text(40),
      quality: text(40),
      n: z.number().int().min(1).max(100),
      format: text(40),
      compression: z.number().min(0).max(100).nullable(),
      background: text(40),
      moderation: text(40),
    })
    .nullish(),
  returned: z
    .object({ size: text(40), quality: text(40), format: text(40), background: text(40), model: text(200) })
    .partial()
    .default({}),
  derived: Derived.nullish().catch(null),
  changed_outside: z.number().min(0).max(1).nullish(),
  cost_usd: decimal.nullish(),
  receipts: z.array(Receipt).max(20).default([]),
  made_from: z
    .array(z.string().regex(/^[0-9a-f]{64}$/))
    .max(50)
    .default([]),
  created_at: z.iso.datetime(),
  favourite: z.boolean().default(false),
  folder: text(1000).nullish(),
  tags: z.array(text(1000)).max(100).default([]),
})
export type Said = z.output<typeof Said>

const Head = z.object({ format: z.literal('sub2api-playground-export'), version: z.number() })
const Body = z.object({
  pictures: z.array(z.unknown()).max(100_000),
  papers: z
    .array(z.object({ file: text(1000) }))
    .max(100_000)
    .default([]),
})

export interface Manifest {
  /** By the name of its entry; null where what is said of it cannot be right. */
  pictures: Map<string, Said | null>
  /** Entries that are no pictures: conversations, settings, receipts. */
  papers: Set<string>
}

/** Null for a file that is no manifest of this program. Throws `UnknownManifest` for one of a version to come. */
export function readManifest(json: string): Manifest | null {
  const document = parsed(json)
  const head = Head.safeParse(document)
  if (!head.success) return null
  if (head.data.version !== 1) throw new UnknownManifest(`version ${head.data.version}`)
  const body = Body.safeParse(document)
  if (!body.success) throw new UnknownManifest('no list of pictures')
  const pictures: Manifest['pictures'] = new Map()
  for (const said of body.data.pictures) {
    const file = (said as { file?: unknown } | null)?.file
    if (typeof file !== 'string') continue
    // Said of twice, nobody knows which is meant.
    pictures.set(file, pictures.has(file) ? null : (Said.safeParse(said).data ?? null))
  }
  return { pictures, papers: new Set(body.data.papers.map(({ file }) => file)) }
}

export class UnknownManifest extends Error {
  override readonly name = 'UnknownManifest'
}

function parsed(json: string): unknown {
  try {
    return parseStorable(json)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
