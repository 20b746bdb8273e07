import type { Exchange } from './exchange.ts'
import { fields, text } from './exchange.ts'
import { gatewayRefusal } from './replies.ts'

export interface ImageRequest {
  edit: boolean
  model: string
  prompt: string
  n: number
  size: string
  quality: string
  background: string
  outputFormat: string
  outputCompression: number | null
  responseFormat: string
  stream: boolean
  partialImages: number
  /** Bytes, or the address they were given by. */
  inputs: (Buffer | string)[]
  mask: Buffer | string | null
}

/** The gateway's own reading of an image request: it checks types and little else. Throws its 400s. */
export async function readImageRequest(exchange: Exchange, edit: boolean): Promise<ImageRequest> {
  const contentType = exchange.req.headers['content-type'] ?? ''
  if (exchange.body.length === 0) throw invalid('Request body is empty')
  if (edit && contentType.startsWith('multipart/form-data')) {
    if (!contentType.includes('boundary=')) throw invalid('multipart boundary is required')
    if (!exchange.form) throw invalid('failed to parse request body')
    return checked(await fromForm(exchange.form))
  }
  if (exchange.json === undefined) throw invalid('failed to parse request body')
  return checked(fromJson(fields(exchange.json), edit))
}

function fromJson(body: Record<string, unknown>, edit: boolean): ImageRequest {
  if (body.stream !== undefined && typeof body.stream !== 'boolean') throw invalid('invalid stream field type')
  const inputs: string[] = []
  let mask: string | null = null
  if (edit) {
    if (body.images !== undefined && !Array.isArray(body.images)) throw invalid('invalid images field type')
    for (const image of (body.images as unknown[]) ?? []) {
      if (fields(image).file_id) {
        throw invalid('images[].file_id is not supported (use images[].image_url instead)')
      }
      inputs.push(text(fields(image).image_url))
    }
    if (fields(body.mask).file_id) throw invalid('mask.file_id is not supported (use mask.image_url instead)')
    mask = text(fields(body.mask).image_url) || null
    if (inputs.length === 0 || inputs.includes('')) throw invalid('images[].image_url is required')
  }
  return {
    edit,
    model: text(body.model) || 'gpt-image-2',
    prompt: text(body.prompt),
    n: number(body, 'n') ?? 1,
    size: text(body.size),
    quality: text(body.quality),
    background: text(body.background),
    outputFormat: text(body.output_format),
    outputCompression: number(body, 'output_compression') ?? null,
    responseFormat: text(body.response_format),
    stream: body.stream ?? false,
    partialImages: number(body, 'partial_images') ?? 0,
    inputs,
    mask,
  }
}

async function fromForm(form: FormData): Promise<ImageRequest> {
  const value = (name: string) => text(form.get(name))
  const whole = (name: string, message: string) => {
    if (value(name) === '') return null
    if (!/^-?\d+$/.test(value(name))) throw invalid(message)
    return Number(value(name))
  }
  const inputs: Buffer[] = []
  for (const [name, part] of form) {
    if (/^image(\[.*\])?$/.test(name) && typeof part !== 'string') inputs.push(Buffer.from(await part.arrayBuffer()))
  }
  if (inputs.length === 0) throw invalid('image file is required')
  const mask = form.get('mask')
  const yes = ['1', 't', 'T', 'TRUE', 'true', 'True']
  const no = ['', '0', 'f', 'F', 'FALSE', 'false', 'False']
  if (![...yes, ...no].includes(value('stream'))) throw invalid('invalid stream field value')
  return {
    edit: true,
    model: value('model') || 'gpt-image-2',
    prompt: value('prompt'),
    n: whole('n', 'n must be a positive integer') ?? 1,
    size: value('size'),
    quality: value('quality'),
    background: value('background'),
    outputFormat: value('output_format'),
    outputCompression: whole('output_compression', 'invalid output_compression field value'),
    responseFormat: value('response_format'),
    stream: yes.includes(value('stream')),
    partialImages: whole('partial_images', 'invalid partial_images field value') ?? 0,
    inputs,
    mask: mask && typeof mask !== 'string' ? Buffer.from(await mask.arrayBuffer()) : null,
  }
}

function checked(request: ImageRequest): ImageRequest {
  if (request.n <= 0) throw invalid('n must be greater than 0')
  if (!request.model.startsWith('gpt-image-')) {
    throw invalid(`images endpoint requires an image model, got "${request.model}"`)
  }
  return request
}

function number(body: Record<string, unknown>, name: string): number | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number') throw invalid(`invalid ${name} field type`)
  return value
}

function invalid(message: string) {
  return gatewayRefusal(400, 'invalid_request_error', message)
}
