import type { Readable } from 'node:stream'
import { openLocal } from './local.ts'
import { type CopyLog, openMirror } from './mirror.ts'
import type { ObjectBody } from './objects.ts'
import { openS3 } from './s3.ts'

export { StorageError } from './errors.ts'

/**
 * Picture bytes by name. A name is 8–128 of `A-Z a-z 0-9 _ -` with at most one `.suffix`; any other is a TypeError.
 * Every failure of the medium is a StorageError.
 */
export interface Storage {
  /**
   * Atomic: an object is either whole or absent, and writing a name again replaces it. When the source stream breaks or
   * is not `size` bytes long, its own error is thrown and nothing is stored.
   */
  put(name: string, bytes: ObjectBody, options: PutOptions): Promise<void>
  /**
   * Null when absent. `range` is inclusive byte offsets, already validated against the size; `size` is that of the whole
   * object. The caller reads the stream to its end or destroys it.
   */
  open(name: string, range?: ByteRange): Promise<{ stream: Readable; size: number } | null>
  /**
   * Hands its bytes over piece by piece, to those who read very much of them: a piece is used up when `take` is done, for the next
   * one comes in the same memory. Answers the size of the whole object; null when absent. What `take` throws ends it.
   */
  take(name: string, take: Take, range?: ByteRange): Promise<number | null>
  /** Null when absent. The content type is known to object stores only. */
  head(name: string): Promise<{ size: number; contentType?: string } | null>
  /** The whole object in memory; null when absent. */
  read(name: string): Promise<Buffer | null>
  /** True when no copy of it is on this machine and it is, if anywhere, in the bucket: nothing is asked of that. */
  onlyInBucket(name: string): Promise<boolean>
  /** Every object, in no order; what lies there under names that are none of ours is passed over. */
  list(): AsyncGenerator<Listed>
  /** Absent is fine. */
  delete(name: string): Promise<void>
  /** Writes, reads and deletes a small object; a bucket is asked every half minute at most. */
  ready(): Promise<void>
  /** Whether `ready()` has ever succeeded: until then nothing is known of credentials and rights. */
  isProven(): boolean
  /** Deletes what crashed writes left behind longer ago than this, until it is `stopping`; gives the number of files. */
  sweepTemporary(olderThanMs: number, stopping?: AbortSignal): Promise<number>
  close(): Promise<void>
}

export interface Listed {
  name: string
  size: number
  modifiedAt: Date
}

export interface PutOptions {
  contentType: string
  /**
   * It is written again, or has to be gone for good once it is deleted: nothing of it is kept beside the bucket, on machines
   * that hear of neither.
   */
  withoutCopies?: boolean
}

export type Take = (piece: Buffer) => void | Promise<void>

export interface ByteRange {
  start: number
  end: number
}

interface StorageConfig {
  localDirectory: string
  s3: S3Config | null
  /** With S3: keep a copy on this machine too, and read it first. */
  keepLocal: boolean
}

export interface S3Config {
  endpoint: string
  region: string
  bucket: string
  accessKeyId: string
  secretAccessKey: string
  /** Whoever knows an object's address may see it, at a CDN too. */
  isPublic: boolean
  /** Keys are `prefix/name`, or `name` when it is empty. Slashes around it are ignored, so a URL's path will do. */
  prefix: string
}

/** The local directory, or S3, or S3 with a local copy. `log` hears of local copies that could not be kept. */
export function openStorage(config: StorageConfig, log: CopyLog = { warn: warnProcess }): Storage {
  if (!config.s3) return openLocal(config.localDirectory)
  const bucket = openS3(config.s3)
  return config.keepLocal ? openMirror(bucket, openLocal(config.localDirectory), log) : bucket
}

function warnProcess(details: { err: unknown }, message: string): void {
  process.emitWarning(`${message}: ${String(details.err)}`)
}
