import { type FilePart, multipart } from '../wire/multipart.ts'

/** What is asked for; only what is set is sent. `response_format` never is: OpenAI refuses it for these models. */
export interface GenerationRequest {
  model: string
  prompt: string
  n?: number | undefined
  size?: string | undefined
  quality?: string | undefined
  background?: string | undefined
  outputFormat?: string | undefined
  /** 0 to 100. */
  outputCompression?: number | undefined
  moderation?: string | undefined
}

export interface ImageOptions {
  /** Ends the call at once. The gateway finishes and bills it all the same. */
  signal: AbortSignal
  stream: boolean
  /** Previews, with `stream` only. */
  partialImages?: 0 | 1 | 2 | 3 | undefined
}

/** A picture that goes with an edit; read from where it is kept while it is sent. */
interface InputPicture {
  contentType: string
  /** Bytes; the gateway silently cuts what is longer than 20 MiB. */
  size: number
  open(): Promise<AsyncIterable<Uint8Array>>
}

export interface EditRequest extends GenerationRequest {
  /** 1 to 16. */
  images: InputPicture[]
  /** PNG of the first image's size; what is transparent may be changed. */
  mask?: InputPicture | undefined
}

export function generationBody(request: GenerationRequest, { stream, partialImages }: ImageOptions) {
  return {
    model: request.model,
    prompt: request.prompt,
    n: request.n,
    size: request.size,
    quality: request.quality,
    background: request.background,
    output_format: request.outputFormat,
    output_compression: request.outputCompression,
    moderation: request.moderation,
    ...(stream && { stream: true, partial_images: partialImages }),
  }
}

/** The same fields, and the pictures. */
export function editForm(request: EditRequest, options: ImageOptions) {
  return multipart(generationBody(request, options), filesOf(request))
}

/** OpenAI refuses a repeated `image`, so several are named `image[]`. */
function filesOf({ images, mask }: EditRequest): FilePart[] {
  const field = images.length > 1 ? 'image[]' : 'image'
  const part = (picture: InputPicture, name: string, fileName: string): FilePart => ({
    ...picture,
    open: async () => readWhole(picture),
    field: name,
    fileName: `${fileName}.${picture.contentType.replace(/^image\//, '')}`,
  })
  return [
    ...images.map((image, index) => part(image, field, `image-${index + 1}`)),
    ...(mask ? [part(mask, 'mask', 'mask')] : []),
  ]
}

/** A picture that should go along could not be read as far as its last byte. */
export class InputUnreadable extends Error {}

async function* readWhole({ open, size }: InputPicture): AsyncGenerator<Uint8Array, void, undefined> {
  let left = size
  try {
    for await (const chunk of await open()) {
      left -= chunk.length
      yield chunk
    }
  } catch (cause) {
    throw new InputUnreadable('a picture to start from could not be read', { cause })
  }
  if (left !== 0) throw new InputUnreadable(`a picture to start from has ${size - left} bytes instead of ${size}`)
}
