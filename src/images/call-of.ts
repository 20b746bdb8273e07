import { Readable } from 'node:stream'
import { editPreviews } from '../account/edit-previews.ts'
import { findAccount } from '../account/queries.ts'
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import type { EditRequest, GenerationRequest } from '../gateway/image-request.ts'
import { listFiles } from '../library/file-queries.ts'
import { persist } from '../work/persist.ts'
import type { ImageJob } from './job-queries.ts'
import { findMask } from './mask-queries.ts'

/** What the gateway is asked for. */
export function callOf(job: ImageJob): GenerationRequest {
  const { model, prompt, n, size, quality, background, moderation, format, compression } = job
  const outputCompression = compression ?? undefined
  return { model, prompt, n, size, quality, background, moderation, outputFormat: format, outputCompression }
}

/** What an edit starts from, each file read only while it is sent; null for a picture from words alone. */
export async function openInputs(
  deps: Deps,
  job: ImageJob,
): Promise<Pick<EditRequest, 'images' | 'mask'> | null | 'gone'> {
  if (job.referenceTokens.length === 0) return null
  const files = await listFiles(deps.db, job.userId, job.referenceTokens)
  const mask = job.maskId ? await findMask(deps.db, job.userId, job.maskId) : null
  if (files.length < job.referenceTokens.length || (job.maskId && !mask)) return 'gone'
  const open = async (token: string) => {
    const object = await deps.storage.open(token)
    if (!object) throw new Error(`the bytes of ${token} are gone`)
    return object.stream
  }
  for (const { token } of files) if (!(await deps.storage.head(token))) return 'gone'
  return {
    images: files.map(({ token, format, bytes }) => ({
      contentType: `image/${format}`,
      size: bytes,
      open: () => open(token),
    })),
    mask: mask
      ? { contentType: 'image/png', size: mask.bytes.length, open: async () => Readable.from([mask.bytes]) }
      : undefined,
  }
}

/** How many previews the call asks for; 0: it is not streamed. */
export async function previewsOf(deps: Deps, job: ImageJob): Promise<Config['partialImages']> {
  if (job.referenceTokens.length === 0) return deps.config.partialImages
  return editPreviews(deps.config, await persist(deps, () => findAccount(deps.db, job.userId)))
}
