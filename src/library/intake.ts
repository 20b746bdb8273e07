import type { Database } from '../db/db.ts'
import { createRateLimit } from '../web/rate-limit.ts'
import type { Upload } from '../web/uploads.ts'
import { type Reason, refusedFile } from './refused.ts'
import { UploadRefused } from './uploads.ts'

interface Taking<T> {
  userId: number
  /** How many files may be kept. */
  room: number
  /** Throws `UploadRefused`. */
  keep(file: string, name: string): Promise<T>
  /** What a file that came without a name is called. */
  unnamed: string
  /** What it is refused for, where that is not what a picture is. */
  reasonOf?(reason: Reason): Reason
}

/** Takes the files that came with a form; those refused as its fields. A person's files are counted over all rooms and processes. */
export type Intake = <T>(uploads: readonly Upload[], taking: Taking<T>) => Promise<{ kept: T[]; refused: string[] }>

/**
 * One after the other, so that a bad file among good ones is named and the others are kept. The intake throws a 429
 * `Refusal` before it keeps anything, and `StorageError`.
 */
export function createIntake(db: Database): Intake {
  const files = fileLimit(db)
  return async (uploads, { userId, room, keep, unnamed, reasonOf }) => {
    if (uploads.length > 0) await files.consume(String(userId), uploads.length)
    const kept: Awaited<ReturnType<typeof keep>>[] = []
    const refused: string[] = []
    for (const upload of uploads) {
      const name = upload.name.trim().slice(0, 200) || unnamed
      const refuse = (reason: Reason) => refused.push(refusedFile(reasonOf?.(reason) ?? reason, name))
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
