import type { z } from 'zod'
import type { Deps } from '../deps.ts'
import { keepMask } from '../images/masks.ts'
import { checkRequest, type ImageRequest, readForm } from '../images/prompt.ts'
import { tokensOf } from '../images/references.ts'
import { findFile, type StoredFile } from '../library/file-queries.ts'
import { refusalOf } from '../library/refused.ts'
import { keepUpload, UploadRefused } from '../library/uploads.ts'
import { say } from '../web/words.ts'
import type { TaskBody } from './body.ts'
import { badField, Problem } from './problem.ts'
import { misspelt, Payload } from './schemas.ts'

// The form's names for what the JSON calls otherwise.
const fields: Record<string, string> = {
  format: 'output_format',
  compression: 'output_compression',
  references: 'images',
}

/** The payload, under `payload` or at the top level. Throws `Problem` 400. */
export function readPayload(content: unknown): Payload {
  const inner = (content as { payload?: unknown } | null)?.payload
  const given = typeof inner === 'object' && inner !== null ? inner : content
  const wrong = misspelt(given)
  if (wrong !== null) throw badField(wrong, say('agents.invalid.letter_case', { field: wrong }))
  const parsed = Payload.safeParse(given)
  if (!parsed.success) throw badShape(parsed.error)
  return parsed.data
}

/** Checks all but the pictures, so that a mistake is told before anything is kept. Throws `Problem` 400. */
export function readRequest(payload: Payload): ImageRequest {
  const checked = checkRequest(
    readForm({
      prompt: payload.prompt,
      model: payload.model ?? undefined,
      size: payload.size ?? undefined,
      quality: payload.quality ?? undefined,
      n: payload.n == null ? undefined : String(payload.n),
      format: payload.output_format ?? undefined,
      compression: payload.output_compression == null ? undefined : String(payload.output_compression),
      background: payload.background ?? undefined,
      moderation: payload.moderation ?? undefined,
    }),
  )
  if ('faults' in checked) {
    const [[field, fault] = ['', undefined]] = Object.entries(checked.faults)
    throw badField(fields[field] ?? field, fault ?? say('errors.bad_request'))
  }
  const images = payload.images ?? []
  if (images.length > 16) throw badField('images', say('images.invalid.references', { max: 16 }))
  if (images.length === 0 && payload.mode === 'edit') throw badField('images', say('agents.invalid.edit_needs_image'))
  if (images.length === 0 && payload.mask) throw badField('mask', say('agents.invalid.mask_needs_image'))
  return checked.request
}

/** Keeps the pictures that came along and names them in the request. Throws `Problem` 400 and `StorageError`. */
export async function keepPictures(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  userId: number,
  payload: Payload,
  files: TaskBody['files'],
): Promise<Pick<ImageRequest, 'references' | 'maskId'>> {
  const references: string[] = []
  for (const [index, image] of (payload.images ?? []).entries()) {
    references.push(await keepImage(deps, userId, image, `images[${index}]`, files))
  }
  const [first] = references
  if (!payload.mask || !first) return { references: [...new Set(references)], maskId: null }
  const file = fileOf(payload.mask.data_url, 'mask', files)
  const reference = (await findFile(deps.db, userId, first)) as StoredFile
  const upload = { name: payload.mask.name ?? '', file }
  const mask = await keepMask(deps, reference, { upload, x: '', y: '', width: '', height: '', base: '' })
  if ('fault' in mask) throw badField('mask', mask.fault)
  return { references: [...new Set(references)], maskId: mask.id }
}

type Image = NonNullable<Payload['images']>[number]

async function keepImage(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  userId: number,
  image: Image,
  field: string,
  files: TaskBody['files'],
): Promise<string> {
  if (image.asset_token) {
    const [token] = await tokensOf(deps.db, userId, [image.asset_token])
    if (!token) throw badField(`${field}.asset_token`, say('images.invalid.reference_gone'))
    return token
  }
  if (image.data_url == null && (image.image_url || image.remote_url)) {
    throw badField(field, say('agents.invalid.no_addresses'))
  }
  const file = fileOf(image.data_url, field, files)
  const name = image.name?.trim().slice(0, 200) || field
  const refuse = (reason: UploadRefused['reason']) => badField(field, refusalOf(reason, name, 16))
  if (!file) throw refuse('too_large')
  try {
    return (await keepUpload(deps, userId, { file })).token
  } catch (error) {
    throw error instanceof UploadRefused ? refuse(error.reason) : error
  }
}

function fileOf(dataUrl: unknown, field: string, files: TaskBody['files']): string | null {
  const file = typeof dataUrl === 'number' ? files[dataUrl] : undefined
  if (file === undefined) throw badField(`${field}.data_url`, say('agents.invalid.data_url'))
  return file
}

/** Names the first field that is wrong, as a path into what was sent. */
export function badShape(error: z.ZodError): Problem {
  const path = error.issues[0]?.path ?? []
  const field = path.map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at > 0 ? '.' : ''}${String(part)}`))
  if (field.length === 0) return new Problem(400, 'invalid_request', 'agents.invalid.json')
  return badField(field.join(''), say('agents.invalid.field', { field: field.join('') }))
}
