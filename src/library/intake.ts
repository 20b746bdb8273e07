import type { Database } from '../db/db.ts'
import { maxPixels } from '../storage/thumbnails.ts'
import type { Translate } from '../web/i18n.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import type { Upload } from '../web/uploads.ts'
import { UploadRefused } from './uploads.ts'

/** A file that was not taken, in words for its sender. */
export interface RefusedUpload {
  name: string
  sentence: string
}

type Reason = UploadRefused['reason'] | 'too_many'

interface Taking<T> {
  userId: number
  /** How many files may be kept. */
  room: number
  /** Throws `UploadRefused`. */
  keep(file: string, name: string): Promise<T>
  t: Translate
  /** The sentence of a refusal, where it is not the one for pictures. */
  word?(reason: Reason, name: string): string
}

/** Takes the files that came with a form; a person's files are counted over all rooms and processes. */
export type Intake = <T>(
  uploads: readonly Upload[],
  taking: Taking<T>,
) => Promise<{ kept: T[]; refused: RefusedUpload[] }>

/**
 * One after the other, so that a bad file among good ones is named and the others are kept. The intake throws a 429
 * `Refusal` before it keeps anything, and `StorageError`.
 */
export function createIntake(db: Database): Intake {
  const files = fileLimit(db)
  return async (uploads, { userId, room, keep, t, word }) => {
    if (uploads.length > 0) await files.consume(String(userId), uploads.length)
    const kept: Awaited<ReturnType<typeof keep>>[] = []
    const refused: RefusedUpload[] = []
    for (const upload of uploads) {
      const name = upload.name.trim().slice(0, 200) || t('images.upload.unnamed')
      const refuse = (reason: Reason) =>
        refused.push({ name, sentence: word?.(reason, name) ?? wordRefusal(t, reason, name, room) })
      if (!upload.file) refuse('too_large')
      else if (kept.length >= room) refuse('too_many')
      else {
        try {
          kept.push(await keep(upload.file, name))
        } catch (error) {
          if (!(error instanceof UploadRefused)) throw error
          refuse(error.reason)
        }
      }
    }
    return { kept, refused }
  }
}

/** Decoding a file takes a second of a processor, and a person's disk is everybody's. */
export function fileLimit(db: Database) {
  return createRateLimit(db, { name: 'upload', points: 240, seconds: 60, refusal: 'errors.rate_limited' })
}

export function wordRefusal(t: Translate, reason: Reason, name: string, room: number): string {
  return t(`images.upload.${reason}`, { name, size: '20 MiB', megapixels: maxPixels / 1e6, max: room })
}
