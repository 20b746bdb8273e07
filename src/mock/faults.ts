import { z } from 'zod'
import { knownReplies } from './known-replies.ts'

/**
 * The places in a call where something can go wrong, in order. `after_headers` is after the status line of a stream,
 * `mid_picture` in the middle of the first picture's base64 (or of the text of an answer).
 */
export const points = [
  'before_headers',
  'after_headers',
  'after_partial',
  'before_completed',
  'mid_picture',
  'after_completed',
  'before_end',
] as const
export type Point = (typeof points)[number]

/** Ways in which a finished picture, or its base64, is not what one expects. */
const misshapes = [
  'garbage_base64',
  'not_an_image',
  'truncated',
  'empty',
  'escaped',
  'huge',
  'bomb',
  'data_url',
  'url_alphabet',
  'line_feeds',
  'unpadded',
  'spoilt_end',
  'no_end_marker',
  'gif',
  'avif',
] as const

/** What one call, or the next `times` calls that match, do wrong. Everything is optional. */
export const Fault = z.strictObject({
  /** Which calls: all given parts must match; `path` is the whole path without query, `prompt` a part of the prompt. */
  match: z
    .strictObject({
      method: z.string(),
      path: z.string(),
      email: z.string(),
      apiKeyId: z.number(),
      prompt: z.string(),
    })
    .partial()
    .optional(),
  times: z.int().positive().optional(),
  /** Before the headers. */
  delayMs: z.number().optional(),
  /** Answer this and do nothing: a known reply by name, or a status, headers and body verbatim. */
  reply: z
    .union([
      z.enum(knownReplies.keys().toArray()),
      z.strictObject({
        status: z.int(),
        headers: z.record(z.string(), z.string()).optional(),
        body: z.unknown().optional(),
      }),
    ])
    .optional(),
  /** Stop here until released. */
  hold: z.enum(points).optional(),
  /** Destroy the connection here; upstream goes on, and what it makes is billed. */
  cut: z.enum(points).optional(),
  /** End the reply tidily here, without a terminal event. */
  end: z.enum(points).optional(),
  /** Fail here: as JSON with the status before the headers, as a frame in the stream after them. */
  error: z
    .strictObject({
      at: z.enum(points),
      status: z.int().default(502),
      type: z.string().default('upstream_error'),
      message: z.string().default('Upstream request failed'),
      code: z.string().optional(),
      param: z.string().optional(),
      /** `service` frames carry a type beside the error, `handler` frames do not. */
      form: z.enum(['service', 'handler']).default('service'),
    })
    .optional(),
  /** Keep-alive comments right after the headers. */
  comments: z.int().optional(),
  /** A stream was asked for, the reply is JSON, labelled as such or as an event stream. */
  as: z.enum(['json', 'json_as_stream']).optional(),
  /** Commit 200 and send this many keep-alive blanks before the JSON; an error then comes with status 200. */
  blanks: z.int().optional(),
  /** How many pictures come, whatever `n` was. */
  deliver: z.int().optional(),
  /** The size the pictures really have. */
  size: z
    .string()
    .regex(/^\d+x\d+$/)
    .optional(),
  picture: z.enum(misshapes).optional(),
  /** What the reply says of its pictures, whatever they are: `quality`, `size`, `model` and the like. */
  facts: z.record(z.string(), z.unknown()).optional(),
  /** What the model made of the prompt; only a reply at one go says so. */
  revised: z.string().optional(),
  /** The name that carries a picture, in place of `b64_json` or `url`; `image.url` is one inside the other. */
  field: z
    .string()
    .regex(/^\w+(\.\w+)?$/)
    .optional(),
  /** The name of the list of pictures, in place of `data`; JSON only. */
  list: z.string().regex(/^\w+$/).optional(),
  /** Give pictures by address: `data`, `http` (served by the mock), or this very text; a path of the mock's is served. */
  url: z.string().optional(),
  /** How often a picture that the mock serves answers 503 first. */
  urlRefusals: z.int().optional(),
  flavour: z.enum(['oauth', 'api_key']).optional(),
  eventLines: z.boolean().optional(),
  done: z.boolean().optional(),
  /** What the upstream says it used, where that is to be exact. */
  tokens: z.strictObject({ input: z.int(), imageInput: z.int().default(0), output: z.int() }).optional(),
  noClientRequestId: z.boolean().optional(),
  noUsage: z.boolean().optional(),
  /** What is billed, whatever was made. */
  bill: z
    .strictObject({ tier: z.enum(['1K', '2K', '4K']), count: z.int() })
    .partial()
    .optional(),
  /** How many times slower than usual. */
  slower: z.number().optional(),
  /** What a text model answers. */
  answer: z.string().optional(),
  functionCall: z.strictObject({ name: z.string(), arguments: z.string() }).optional(),
})
export type FaultInput = z.input<typeof Fault>
export type Fault = z.infer<typeof Fault> & { id?: number }

interface Subject {
  method: string
  path: string
  email: string | null
  apiKeyId: number | null
  prompt: string
}

interface Entry {
  id: number
  fault: Fault
  left: number
  gate: PromiseWithResolvers<void>
}

/** Faults waiting for their calls, first come first served; each matching call takes one. */
export function createFaultQueue() {
  const entries = new Map<number, Entry>()
  let nextId = 1

  function add(input: FaultInput): number {
    const { times, ...fault } = Fault.parse(input)
    const id = nextId++
    entries.set(id, { id, fault: { ...fault, id }, left: times ?? 1, gate: Promise.withResolvers() })
    return id
  }

  /** A used-up fault is forgotten, unless a call stops at it and waits for the release. */
  function use(entry: Entry) {
    entry.left--
    if (entry.left === 0 && !entry.fault.hold) entries.delete(entry.id)
  }

  return {
    add,

    /** A fault for one call that is known already. */
    own(input: FaultInput): Fault {
      const entry = entries.get(add(input)) as Entry
      use(entry)
      return entry.fault
    },

    take(subject: Subject): Fault | null {
      const entry = entries.values().find(each => each.left > 0 && matches(each.fault, subject))
      if (!entry) return null
      use(entry)
      return entry.fault
    },

    /** Resolves when the fault is released. */
    released(fault: Fault): Promise<void> {
      return entries.get(fault.id ?? 0)?.gate.promise ?? Promise.resolve()
    },

    /** Lets the held calls of one fault, or of all, go on; later calls of the same fault do not stop either. */
    release(id?: number) {
      for (const entry of entries.values()) if (id === undefined || entry.id === id) entry.gate.resolve()
    },

    clear() {
      for (const entry of entries.values()) entry.gate.resolve()
      entries.clear()
    },

    waiting: () =>
      [...entries.values()].filter(each => each.left > 0).map(({ id, left, fault }) => ({ id, left, fault })),
  }
}

function matches({ match }: Fault, subject: Subject) {
  if (!match) return true
  return (
    (match.method === undefined || match.method === subject.method) &&
    (match.path === undefined || match.path === subject.path) &&
    (match.email === undefined || match.email.toLowerCase() === subject.email) &&
    (match.apiKeyId === undefined || match.apiKeyId === subject.apiKeyId) &&
    (match.prompt === undefined || subject.prompt.includes(match.prompt))
  )
}
