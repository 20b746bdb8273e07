import { setTimeout as delay } from 'node:timers/promises'
import type { Secret } from '../secrets/secret.ts'
import { BadBase64 } from '../wire/base64.ts'
import type { ScannedPicture } from '../wire/picture-scanner.ts'
import type { GatewayError } from './errors.ts'
import { AddressRefused, fetchPicture } from './fetch-guard.ts'
import { type Http, Unanswered } from './http.ts'
import {
  type EditRequest,
  editForm,
  type GenerationRequest,
  generationBody,
  type ImageOptions,
  InputUnreadable,
} from './image-request.ts'
import { failed, failureOf, type ModelCall, refusedInside, refusedReply } from './model-call.ts'
import { type Caller, callerHeaders, type OnCall, requestIdOf } from './panel.ts'
import { type Message, readMessages } from './picture-messages.ts'
import { addressKeys, itemsOf, pictureKeys, placeOf } from './picture-places.ts'
import { fieldsOf, string } from './refusals.ts'
import { scrub } from './scrub.ts'
import { type Told, toldOf } from './told.ts'

export type ImageEvent =
  /** The gateway took the request (status 200). `requestId` finds the usage row; null before 0.1.133. */
  | { type: 'accepted'; requestId: string | null }
  /** A preview of a picture in the making. */
  | { type: 'partial'; index: number; bytes: Buffer }
  /** A finished picture. */
  | { type: 'completed'; bytes: Buffer; told: Told }
  /** What is said only now of a finished picture that was handed over before; they are counted from 0, whatever came of them. */
  | { type: 'told'; picture: number; told: Told }
  /** The first part of a finished picture, where the reply broke off inside it. The last event: the failure follows. */
  | { type: 'half'; bytes: Buffer }
  /** A finished picture that did not arrive as one: made, and so billed. The others are not lost with it. */
  | { type: 'rejected'; detail: string }
  /** A finished picture that could not be fetched from where the gateway says that it is, yet; null: nor may it be. */
  | { type: 'unfetched'; address: string | null; detail: string; told: Told }

/**
 * The events of one picture call, each picture as soon as it is whole; ends after the last, or throws GatewayError. Read it once: reading sends the
 * request, and leaving the loop early closes the connection. A slow reader holds the connection back rather than filling memory.
 */
export type ImageCall = AsyncIterable<ImageEvent>

interface ImageDeps {
  http: Http
  upstream: URL
  timeouts: { headers: number; streamHeaders: number; idle: number; total: number }
  onCall: OnCall
}

const FETCH_ATTEMPTS = 3
const MOST_PREVIEWS = 1000
const limits = { picture: 64 * 1024 * 1024, pictures: 16, text: 4 * 1024 * 1024 }
// Of garbage that begins like base64 a few bytes are left: nothing to keep.
const fewestBytes = 64

/** Fetches a picture that a call gave an address for; costs nothing. Throws. */
export function addressCalls({ upstream }: Pick<ImageDeps, 'upstream'>) {
  return (address: string, signal: AbortSignal): Promise<Buffer> =>
    fetchPicture(address, { signal, upstream, limit: limits.picture })
}

export function editCalls(deps: ImageDeps) {
  return (caller: Caller, apiKey: Secret, request: EditRequest, options: ImageOptions): ImageCall => {
    const { contentType, contentLength, body } = editForm(request, options)
    return readCall(deps, apiKey, request.n ?? 1, options.signal, {
      name: 'images_edits',
      path: '/v1/images/edits',
      headers: {
        ...callerHeaders(caller, apiKey),
        'content-type': contentType,
        'content-length': String(contentLength),
      },
      body,
      stream: options.stream,
    })
  }
}

export function imageCalls(deps: ImageDeps) {
  return (caller: Caller, apiKey: Secret, request: GenerationRequest, options: ImageOptions): ImageCall => {
    const body = JSON.stringify(generationBody(request, options))
    return readCall(deps, apiKey, request.n ?? 1, options.signal, {
      name: 'images_generations',
      path: '/v1/images/generations',
      headers: { ...callerHeaders(caller, apiKey), 'content-type': 'application/json' },
      body,
      stream: options.stream,
    })
  }
}

interface PictureCall {
  name: string
  path: string
  headers: Record<string, string>
  body: string | AsyncIterable<Uint8Array>
  stream: boolean
}

async function* readCall(
  deps: ImageDeps,
  apiKey: Secret,
  wanted: number,
  signal: AbortSignal,
  call: PictureCall,
): AsyncGenerator<ImageEvent, void, undefined> {
  const { timeouts } = deps
  const context: Context = {
    apiKey,
    reply: null,
    completed: 0,
    begun: false,
    early: new Map(),
    signal,
    upstream: deps.upstream,
  }
  const started = performance.now()
  try {
    const reply = await deps.http.send({
      method: 'POST',
      path: call.path,
      headers: { accept: call.stream ? 'text/event-stream, application/json' : 'application/json', ...call.headers },
      body: call.body,
      signal,
      timeouts: { ...timeouts, headers: call.stream ? timeouts.streamHeaders : timeouts.headers },
    })
    context.reply = reply
    if (reply.status < 200 || reply.status > 299) throw await refusedReply(context, reply)
    yield { type: 'accepted', requestId: requestIdOf(reply) ?? null }
    for await (const message of readMessages(reply.body, pictureKeys, limits, addressKeys))
      yield* eventsOf(message, context)
    if (context.completed === 0) throw failed(context, 'upstream', { detail: 'the reply ended without a picture' })
  } catch (error) {
    // All that was asked for is here: how the connection ended no longer matters.
    const isLateBreak = error instanceof Unanswered && error.kind !== 'aborted' && context.completed >= wanted
    if (!isLateBreak) throw unread(context, error) ?? failureOf(context, error)
  } finally {
    context.reply?.close()
    deps.onCall({ name: call.name, status: context.reply?.status ?? 0, ms: performance.now() - started })
  }
}

/** Half a form asks for nothing, and so costs nothing. */
function unread(context: Context, error: unknown): GatewayError | null {
  const cause = error instanceof Unanswered ? error.cause : null
  if (context.reply || !(cause instanceof InputUnreadable)) return null
  return failed(context, 'storage', { charged: 'no', mayRetry: true, detail: cause.message }, error)
}

interface Context extends ModelCall {
  /** Those handed over before what is said of them: by the number that the scanner gave them, which they are. */
  early: Map<number, number>
  signal: AbortSignal
  upstream: URL
}

async function* eventsOf(message: Message, context: Context): AsyncGenerator<ImageEvent, void, undefined> {
  if (message.kind === 'early') {
    for (const [number, picture] of message.pictures) {
      context.early.set(number, context.completed)
      yield finished(context, picture, {})
    }
    if (message.half && !isPreview(message.half)) yield { type: 'half', bytes: message.half.bytes }
    return
  }
  const json = fieldsOf(message.json)
  const type = string(json.type) || (message.kind === 'event' ? message.event : '')
  if (json.error || type === 'error' || type.endsWith('.failed')) throw refusedInside(context, message.json)
  if (type.endsWith('.partial_image')) {
    const number = placeOf(json)
    const bytes = typeof number === 'number' ? message.pictures.get(number) : undefined
    if (!Buffer.isBuffer(bytes)) return
    context.begun = true
    const step = Number(json.partial_image_index)
    yield { type: 'partial', index: Number.isInteger(step) && Math.abs(step) < MOST_PREVIEWS ? step : 0, bytes }
  } else if (type.endsWith('.completed') || type === '') {
    for (const item of itemsOf(json)) yield* pictureOf(item, json, message, context)
  }
}

function isPreview({ event, text }: { event: string; text: string }): boolean {
  return event.endsWith('.partial_image') || /"type"\s*:\s*"[^"]*\.partial_image"/.test(text)
}

/** Nothing when it never came. */
async function* pictureOf(
  item: unknown,
  reply: Record<string, unknown>,
  message: Message,
  context: Context,
): AsyncGenerator<ImageEvent, void, undefined> {
  const place = placeOf(item)
  const told = toldOf(context.apiKey, fieldsOf(item), reply)
  const early = typeof place === 'number' ? context.early.get(place) : undefined
  if (early !== undefined) yield { type: 'told', picture: early, told }
  const picture = typeof place === 'number' ? message.pictures.get(place) : await fetched(place ?? '', context)
  if (picture) yield finished(context, picture, told)
}

function finished(context: Context, picture: ScannedPicture | Unfetched, told: Told): ImageEvent {
  if (++context.completed > limits.pictures) throw new RangeError(`more than ${limits.pictures} pictures`)
  if (Buffer.isBuffer(picture)) return { type: 'completed', bytes: picture, told }
  if (picture instanceof BadBase64 && picture.before.length >= fewestBytes) {
    return { type: 'completed', bytes: picture.before, told }
  }
  const detail = scrub(picture.message, [context.apiKey])
  if (!(picture instanceof Unfetched)) return { type: 'rejected', detail }
  const { address } = picture
  // Where it holds a key it is not for anybody's eyes.
  const mayTell = address !== null && scrub(address, [context.apiKey]) === address
  return { type: 'unfetched', address: mayTell ? address : null, detail, told }
}

class Unfetched extends Error {
  override name = 'Unfetched'
  /** Null where it is never to be asked. */
  readonly address: string | null

  constructor(message: string, address: string | null, cause: unknown) {
    super(message, { cause })
    this.address = address
  }
}

/** The picture was made and billed, and fetching costs nothing: what fails is tried again. */
async function fetched(address: string, context: Context): Promise<Buffer | Unfetched | undefined> {
  if (address === '') return undefined
  const { signal, upstream } = context
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetchPicture(address, { signal, upstream, limit: limits.picture })
    } catch (cause) {
      // The address may hold a signature, so only its host is told.
      const host = URL.parse(address, upstream.origin)?.host ?? 'an address that is none'
      const why = (cause instanceof Error ? cause.message : String(cause)).replaceAll(address, host)
      const detail = `the picture at ${host} could not be fetched: ${why}`
      if (cause instanceof AddressRefused) return new Unfetched(detail, null, cause)
      if (signal.aborted || attempt === FETCH_ATTEMPTS) return new Unfetched(detail, address, cause)
      await delay(attempt * 500, undefined, { signal }).catch(() => undefined)
    }
  }
}
