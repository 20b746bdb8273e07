import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { charge, checkMoneyAgain } from './billing.ts'
import type { Exchange } from './exchange.ts'
import { startImageReply } from './image-reply.ts'
import { type ImageRequest, readImageRequest } from './image-request.ts'
import { type Caller, checkKey } from './key-check.ts'
import { misshapen } from './misshapen.ts'
import { checkMapped } from './models.ts'
import { drawPicture, type Picture } from './pictures.ts'
import { goThrough, StreamEnd } from './points.ts'
import { gatewayRefusal } from './replies.ts'
import { takeSlot } from './slots.ts'
import { pause } from './state.ts'
import { outputTokens, refusalOfUpstream } from './upstream-rules.ts'

export async function generateImages(exchange: Exchange) {
  await images(exchange, false)
}

export async function editImages(exchange: Exchange) {
  await images(exchange, true)
}

/** One call of the images endpoints, with the checks in the gateway's order. */
async function images(exchange: Exchange, edit: boolean) {
  const { state, call } = exchange
  const caller = checkKey(exchange)
  const { group } = caller
  if (group.platform !== 'openai') {
    throw gatewayRefusal(404, 'not_found_error', 'Images API is not supported for this platform')
  }
  const request = await readImageRequest(exchange, edit)
  if (group.allow_image_generation === false) {
    throw gatewayRefusal(403, 'permission_error', 'Image generation is not enabled for this group')
  }
  const flavour = exchange.fault.flavour ?? group.flavour
  const reply = startImageReply(exchange, request, flavour)
  const startedAt = performance.now()
  let giveBack = () => {}
  try {
    giveBack = await takeSlot(state, caller, () => {
      state.ledger.set(call, { state: 'queued' })
      reply.startEarly()
    })
    checkMoneyAgain(caller)
    checkMapped(group, request.model)
    const names = exchange.form ? [...exchange.form.keys()] : []
    const refused = refusalOfUpstream(request, flavour === 'api_key', names)
    if (refused) throw refused
    state.ledger.set(call, { state: 'running' })
    await make(exchange, caller, request, reply, startedAt)
  } catch (error) {
    throw reply.failed(error)
  } finally {
    giveBack()
  }
}

/** The upstream's work: it goes on when the client has gone, and what was delivered is charged whatever follows. */
async function make(
  exchange: Exchange,
  caller: Caller,
  request: ImageRequest,
  reply: ReturnType<typeof startImageReply>,
  startedAt: number,
) {
  const { state, fault } = exchange
  const [width, height] = sizeOf(exchange, request)
  const count = fault.deliver ?? request.n
  const stepMs = durationOf(exchange, request, width * height)
  const delivered: Picture[] = []
  const variations = state.drawn.get(request.prompt) ?? 0
  state.drawn.set(request.prompt, variations + 1)
  const inputs = await Promise.all(request.inputs.map(input => bytesOf(input, exchange)))
  const digests = inputs.map(bytes => createHash('sha256').update(bytes).digest('hex'))
  state.ledger.set(exchange.call, { digests })
  const mask = request.mask === null ? null : await bytesOf(request.mask, exchange)
  await checkInputs(inputs, mask)

  async function draw(index: number, progress: number) {
    const picture = await drawPicture({
      prompt: request.prompt,
      // Tests look for the same bytes twice; people look for another picture when they ask again.
      variation: index + (state.settings.pictures === 'scene' ? (variations % 8) * 10 : 0),
      width,
      height,
      format: (request.outputFormat || 'png') as 'png' | 'jpeg' | 'webp',
      quality: request.outputCompression ?? 90,
      transparent: request.background === 'transparent',
      progress,
      inputs,
      mask,
      mode: state.settings.pictures,
    })
    return progress === 1 && fault.picture ? misshapen(picture, fault.picture) : picture
  }

  try {
    await reply.commit()
    if (request.stream) await goThrough(exchange, 'after_headers')
    for (let index = 0; index < count; index++) {
      const partials = request.stream ? request.partialImages : 0
      const wait = stepMs / (partials + 1) / (index === 0 ? 1 : 3)
      for (let partial = 0; partial < partials; partial++) {
        await pause(state, wait)
        await reply.partial(await draw(index, partial / partials), partial)
        if (index === 0 && partial === 0) await goThrough(exchange, 'after_partial')
      }
      await pause(state, wait)
      const picture = await draw(index, 1)
      if (index === 0 && partials === 0) await goThrough(exchange, 'after_partial')
      if (index === 0) await goThrough(exchange, 'before_completed')
      delivered.push(picture)
      await reply.completed(picture, index)
      if (index === 0) await goThrough(exchange, 'after_completed')
    }
    await goThrough(exchange, 'before_end')
    bill(true)
    await reply.end(delivered)
  } catch (error) {
    const isTidy = error instanceof StreamEnd
    // A reply that is not a stream delivers everything or nothing.
    if (!request.stream && !isTidy) delivered.length = 0
    if (isTidy || delivered.length > 0) bill(isTidy)
    throw error
  }

  /** `isTidy`: the upstream's reply came to an end of its own. */
  function bill(isTidy: boolean) {
    const flavour = fault.flavour ?? caller.group.flavour
    // The official reply that is no stream says its size where an API-key account is not read for `auto`.
    const isUnread = flavour === 'api_key' && !request.stream && !/^\d/.test(request.size)
    // One without pictures has nothing to count: what was asked for is billed.
    const count = delivered.length === 0 && isTidy && !request.stream ? request.n : delivered.length
    const { tokens } = fault
    charge(exchange, caller, {
      model: request.model,
      stream: request.stream,
      startedAt,
      pictures: {
        count,
        sizes: isUnread ? [] : delivered.map(picture => `${picture.width}x${picture.height}`),
        asked: request.size,
      },
      inputTokens: tokens?.input ?? 20 + Math.ceil(request.prompt.length / 4),
      imageInputTokens: tokens?.imageInput ?? 323 * request.inputs.length,
      outputTokens: tokens?.output ?? outputTokens(request.quality, width, height) * delivered.length,
    })
  }
}

/** The size that comes out: the one asked for, a fault's, or one that suits the prompt for `auto`. */
function sizeOf({ fault }: Exchange, { size, prompt }: ImageRequest): [number, number] {
  const suited = /portrait|poster|phone|竖|肖像|海报/i.test(prompt)
    ? '1024x1536'
    : /landscape|panorama|wide|banner|横|全景|风景/i.test(prompt)
      ? '1536x1024'
      : '1024x1024'
  const wanted = fault.size ?? (size && size !== 'auto' ? size : suited)
  const [width = 1024, height = 1024] = wanted.split('x').map(Number)
  return [width, height]
}

function durationOf({ state, fault }: Exchange, { quality }: ImageRequest, pixels: number) {
  const byQuality = { low: 0.35, medium: 0.65, high: 1 }[quality] ?? 0.65
  const bySize = Math.max(1, Math.sqrt(pixels / 1024 ** 2))
  return state.settings.latencyMs * byQuality * bySize * (fault.slower ?? 1)
}

async function bytesOf(input: Buffer | string, { state }: Exchange): Promise<Buffer> {
  if (typeof input !== 'string') return input
  const data = /^data:[^,]*;base64,(.*)$/s.exec(input)?.[1]
  if (data !== undefined) return Buffer.from(data, 'base64')
  const hosted = input.startsWith(`${state.url}/`) ? state.hosted.get(new URL(input).pathname) : undefined
  if (hosted) return hosted.bytes
  throw gatewayRefusal(400, 'invalid_request_error', 'Failed to download image.', {
    param: 'image',
    code: 'invalid_image_url',
  })
}

async function checkInputs(inputs: Buffer[], mask: Buffer | null) {
  for (const [index, file] of [...inputs, ...(mask ? [mask] : [])].entries()) {
    const known = await sharp(file)
      .metadata()
      .catch(() => null)
    if (known && ['png', 'jpeg', 'webp'].includes(known.format)) continue
    throw gatewayRefusal(
      400,
      'invalid_request_error',
      `Invalid image file or mode for image ${index + 1}, please check your image file.`,
      { param: 'image', code: 'invalid_image_file' },
    )
  }
}
