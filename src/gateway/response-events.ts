import { hash } from 'node:crypto'
import { storable } from '../db/storable.ts'
import type { Secret } from '../secrets/secret.ts'
import type { ScannedPicture } from '../wire/picture-scanner.ts'
import { type ModelCall, refusedInside } from './model-call.ts'
import type { Message } from './picture-messages.ts'
import { type PictureSieve, pictureSieve } from './picture-words.ts'
import { fieldsOf, string } from './refusals.ts'
import { itemOf, placeOf, summaryPlaceOf, words } from './response-fields.ts'
import { type ThinkingSieve, thinkingSieve } from './thinking-words.ts'
import { type TokenUsage, usageOf } from './token-usage.ts'
import { type Told, toldOf } from './told.ts'

export type ResponseEvent =
  /** The gateway took the request (status 200). */
  | { type: 'accepted'; requestId: string | null }
  /** More of the answer; a refusal in the model's words is an answer too. */
  | { type: 'text'; delta: string }
  /** Here a picture begins: of the gateway's own tool, or that the model writes out as letters, named by its Markdown. */
  | { type: 'drawing'; index: number; by: 'tool' | 'words'; name: string }
  /** It is over. Nothing of what it was made of has been, or will be, told as text. */
  | ({ type: 'picture'; index: number } & Drawn)
  /** More of the summary of the model's reasoning, or of what it thought aloud in its answer. */
  | { type: 'reasoning'; delta: string }
  /** A whole function call; `arguments` is what the model wrote and may be no JSON. */
  | { type: 'call'; callId: string; name: string; arguments: string }
  /** Always last. `incomplete`: the model was cut off, `reason` says by what (`max_output_tokens`, `content_filter`). */
  | { type: 'finished'; status: 'completed' | 'incomplete'; reason: string | null; usage: TokenUsage | null }

/** What came of a picture in an answer. */
export interface Drawn {
  /** Unchecked; null when nothing came that is base64. */
  bytes: Buffer | null
  /** The letters of a picture in words, at most two million: for when they are none. */
  letters: string
  /** The prompt that the tool used; empty where none was told. */
  prompt: string
  /** A preview of the tool, after which nothing came. */
  isPreview: boolean
  told: Told
}

/** Characters of a delta that are looked at before the reader hears of them: it may have had enough. */
const PIECE = 32_768

/** What has come so far, so that nothing is told twice. */
export interface ResponseContext extends ModelCall {
  /** The text of each part of the answer, by its place. */
  texts: Map<string, string>
  lastText: string | null
  lastReasoning: string | null
  calls: Set<string>
  finished: boolean
  thinking: ThinkingSieve
  sieve: PictureSieve
  /** How many pictures have begun. */
  drawings: number
  /** Of the tool: by its item, which picture it is, its newest preview, and whether it is over. */
  tools: Map<string, { index: number; preview: Buffer | null; over: boolean }>
  /** Of the pictures that came: upstreams tell them again at the end. */
  fingerprints: Set<string>
}

/** Before anything has come; `mostBytes` of one picture that the model writes out. */
export function nothingHeard(apiKey: Secret, mostBytes: number): ResponseContext {
  return {
    apiKey,
    reply: null,
    completed: 0,
    begun: false,
    texts: new Map(),
    lastText: null,
    lastReasoning: null,
    calls: new Set(),
    finished: false,
    thinking: thinkingSieve(),
    sieve: pictureSieve(mostBytes),
    drawings: 0,
    tools: new Map(),
    fingerprints: new Set(),
  }
}

/** What a message tells that is new. Throws GatewayError when it is a refusal. */
export function* eventsOf(message: Message, context: ResponseContext): Generator<ResponseEvent, void, undefined> {
  if (message.kind === 'early') {
    for (const picture of message.pictures.values()) yield* toolPicture(context, '', picture, {})
    return
  }
  const json = fieldsOf(message.json)
  const type = string(json.type) || (message.kind === 'event' ? message.event : '')
  const response = fieldsOf(json.response)
  switch (type) {
    case 'response.output_text.delta':
    case 'response.refusal.delta':
      return yield* textOf(context, placeOf(json), words(json.delta))
    case 'response.output_text.done':
      return yield* restOf(context, placeOf(json), words(json.text))
    case 'response.refusal.done':
      return yield* restOf(context, placeOf(json), words(json.refusal))
    case 'response.reasoning_summary_text.delta':
    case 'response.reasoning_text.delta':
      return yield* reasoningOf(context, summaryPlaceOf(json), words(json.delta))
    case 'response.output_item.added':
      if (fieldsOf(json.item).type === 'image_generation_call') yield* toolOf(context, itemOf(json))
      return
    case 'response.image_generation_call.partial_image': {
      const preview = message.pictures.get(Number(json.partial_image_b64))
      const tool = yield* toolOf(context, itemOf(json))
      if (Buffer.isBuffer(preview)) tool.preview = preview
      return
    }
    case 'response.output_item.done':
      yield* callOf(context, fieldsOf(json.item))
      return yield* pictureOf(context, itemOf(json), fieldsOf(json.item), message.pictures)
    case 'response.completed':
    case 'response.incomplete':
      return yield* finish(context, response, message, type === 'response.completed' ? 'completed' : 'incomplete')
    case 'response.failed':
    case 'error':
      throw refusedInside(context, message.json)
  }
  if (json.error) throw refusedInside(context, message.json)
  // A whole response although a stream was asked for: some upstreams ignore `stream`.
  if (message.kind === 'body' && Array.isArray(json.output)) {
    if (json.status === 'failed') throw refusedInside(context, { response: json })
    yield* finish(context, json, message, json.status === 'incomplete' ? 'incomplete' : 'completed')
  }
}

function* textOf(context: ResponseContext, place: string, delta: string): Generator<ResponseEvent, void, undefined> {
  if (delta === '') return
  const isApart = context.lastText !== null && context.lastText !== place
  if (isApart) yield* heldBack(context)
  context.begun = true
  context.lastText = place
  context.texts.set(place, (context.texts.get(place) ?? '') + delta)
  if (isApart) yield { type: 'text', delta: '\n\n' }
  for (let at = 0; at < delta.length; at += PIECE)
    yield* thoughtsOf(context, context.thinking.write(delta.slice(at, at + PIECE)))
}

/** Thoughts apart, words through the sieve for pictures. */
function* thoughtsOf(
  context: ResponseContext,
  pieces: ReturnType<ThinkingSieve['write']>,
): Generator<ResponseEvent, void, undefined> {
  for (const { kind, text } of pieces) {
    if (kind === 'text') yield* wordsOf(context, context.sieve.write(text))
    else yield* reasoningOf(context, 'in the answer', text)
  }
}

/** Words that could still have become something else. */
function* heldBack(context: ResponseContext): Generator<ResponseEvent, void, undefined> {
  yield* thoughtsOf(context, context.thinking.end())
  yield* wordsOf(context, context.sieve.end())
}

function* wordsOf(
  context: ResponseContext,
  pieces: ReturnType<PictureSieve['write']>,
): Generator<ResponseEvent, void, undefined> {
  for (const piece of pieces) {
    if (typeof piece === 'string') yield { type: 'text', delta: piece }
    else if ('begins' in piece) yield { type: 'drawing', index: context.drawings++, by: 'words', name: piece.begins }
    else
      yield { type: 'picture', index: context.drawings - 1, prompt: '', isPreview: false, told: {}, ...piece.picture }
  }
}

/** The picture of the tool that an item is, which begins when it is first heard of. */
function* toolOf(context: ResponseContext, item: string) {
  const known = context.tools.get(item)
  if (known) return known
  context.begun = true
  yield* heldBack(context)
  const tool = { index: context.drawings++, preview: null as Buffer | null, over: false }
  context.tools.set(item, tool)
  yield { type: 'drawing', index: tool.index, by: 'tool', name: '' } satisfies ResponseEvent
  return tool
}

function* pictureOf(
  context: ResponseContext,
  name: string,
  item: Record<string, unknown>,
  pictures: ReadonlyMap<number, ScannedPicture>,
): Generator<ResponseEvent, void, undefined> {
  const picture = item.type === 'image_generation_call' ? pictures.get(Number(item.result)) : undefined
  if (picture) yield* toolPicture(context, name, picture, item)
}

function* toolPicture(
  context: ResponseContext,
  name: string,
  picture: ScannedPicture,
  item: Record<string, unknown>,
): Generator<ResponseEvent, void, undefined> {
  const bytes = Buffer.isBuffer(picture) ? picture : null
  const fingerprint = bytes ? fingerprintOf(bytes) : ''
  if (context.tools.get(name)?.over || context.fingerprints.has(fingerprint)) return
  const tool = yield* toolOf(context, name || `picture ${context.drawings}`)
  tool.over = true
  tool.preview = null
  if (bytes) {
    context.fingerprints.add(fingerprint)
    context.completed++
  }
  const prompt = words(item.revised_prompt)
  yield {
    type: 'picture',
    index: tool.index,
    bytes,
    letters: '',
    prompt,
    isPreview: false,
    told: toldOf(context.apiKey, item),
  }
}

/** Before the end, whatever it is: words that were held back, and what is there of pictures that were begun. */
export function* leftOver(context: ResponseContext): Generator<ResponseEvent, void, undefined> {
  yield* heldBack(context)
  for (const tool of context.tools.values()) {
    if (tool.over) continue
    tool.over = true
    yield {
      type: 'picture',
      index: tool.index,
      bytes: tool.preview,
      letters: '',
      prompt: '',
      isPreview: true,
      told: {},
    }
  }
}

function fingerprintOf(bytes: Buffer): string {
  const ends = Buffer.concat([bytes.subarray(0, 64 * 1024), bytes.subarray(-64 * 1024)])
  return `${bytes.length} ${hash('sha256', ends)}`
}

/** What a part's final text has beyond its deltas: all of it where an upstream sends none. */
function* restOf(context: ResponseContext, place: string, whole: string): Generator<ResponseEvent, void, undefined> {
  const heard = context.texts.get(place) ?? ''
  if (whole.startsWith(heard)) yield* textOf(context, place, whole.slice(heard.length))
}

function* reasoningOf(
  context: ResponseContext,
  place: string,
  delta: string,
): Generator<ResponseEvent, void, undefined> {
  if (delta === '') return
  const apart = context.lastReasoning !== null && context.lastReasoning !== place
  context.begun = true
  context.lastReasoning = place
  yield { type: 'reasoning', delta: apart ? `\n\n${delta}` : delta }
}

function* callOf(context: ResponseContext, item: Record<string, unknown>): Generator<ResponseEvent, void, undefined> {
  const callId = string(item.call_id)
  if (item.type !== 'function_call' || callId === '' || context.calls.has(callId)) return
  context.begun = true
  context.calls.add(callId)
  const [name, json] = [storable(string(item.name)), storable(string(item.arguments))]
  yield { type: 'call', callId: storable(callId), name, arguments: json }
}

function* finish(
  context: ResponseContext,
  response: Record<string, unknown>,
  { pictures }: { pictures: ReadonlyMap<number, ScannedPicture> },
  status: 'completed' | 'incomplete',
): Generator<ResponseEvent, void, undefined> {
  const items = Array.isArray(response.output) ? response.output.map(fieldsOf) : []
  // Gateways rebuild `output`, so its places are not those of the events: it only counts where no event told the text.
  const isSilent = context.texts.size === 0
  for (const [index, item] of items.entries()) {
    const parts = isSilent && item.type === 'message' && Array.isArray(item.content) ? item.content.map(fieldsOf) : []
    for (const [part, { text, refusal }] of parts.entries()) {
      yield* textOf(context, `${index}:${part}`, words(text) || words(refusal))
    }
    yield* callOf(context, item)
    yield* pictureOf(context, string(item.id), item, pictures)
  }
  yield* leftOver(context)
  context.finished = true
  const reason = storable(string(fieldsOf(response.incomplete_details).reason).slice(0, 100)) || null
  yield { type: 'finished', status, reason, usage: usageOf(fieldsOf(response.usage)) }
}
