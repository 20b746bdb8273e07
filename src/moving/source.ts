import { lstat, readFile, realpath } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { Db } from '../db/db.ts'
import { Secret } from '../secrets/secret.ts'

const text = z
  .string()
  .nullable()
  .transform(value => value ?? '')
const date = z.date()

export const SourceAsset = z.object({
  id: z.string(),
  userId: z.number(),
  kind: z.string(),
  filePath: z.string(),
  mimeType: z.string(),
  sizeBytes: z.number(),
  sha256: z.string(),
  publicToken: z.string(),
})
export type SourceAsset = z.output<typeof SourceAsset>

export const SourceConversation = z.object({
  id: z.string(),
  userId: z.number(),
  workspaceType: z.string(),
  title: text,
  snapshotPath: z.string().nullable(),
  createdAt: date,
  updatedAt: date,
})
export type SourceConversation = z.output<typeof SourceConversation>

export const SourceItem = z.object({
  id: z.string(),
  userId: z.number(),
  assetToken: z.string().nullable(),
  remoteUrl: z.string().nullable(),
  prompt: text,
  size: text,
  folder: text,
  tags: z.array(z.string()).nullable(),
  favorite: z.boolean().nullable(),
  deletedAt: z.date().nullable(),
  createdAt: date,
})
export type SourceItem = z.output<typeof SourceItem>

export const SourceExhibit = z.object({
  id: z.string(),
  assetToken: z.string().nullable(),
  prompt: text,
  size: text,
  sharedByUserId: z.number(),
  sharedByName: text,
  createdAt: date,
})
export type SourceExhibit = z.output<typeof SourceExhibit>

export const SourceLike = z.object({ galleryItemId: z.string(), userId: z.number(), createdAt: date })

export const SourceKey = z.object({
  id: z.string(),
  userId: z.number(),
  name: text,
  publicKey: z.string(),
  apiKeyId: z.coerce.number().nullable(),
  apiKeyName: text,
  /** In clear. */
  apiKey: z
    .string()
    .nullable()
    .transform(key => (key ? new Secret(key) : null)),
})
export type SourceKey = z.output<typeof SourceKey>

/** Where the first product keeps what it has. Only ever read. */
export interface Source {
  /** Of a connection that cannot write. */
  db: Db
  /** Resolved, without a symbolic link in it. */
  dataDirectory: string
}

/** What an attacker may have written into a row must not lead out of the folder. Null when there is no such file. */
export async function readSource(
  { dataDirectory: root }: Source,
  relative: string,
  most: number,
): Promise<Buffer | null> {
  const file = path.resolve(root, relative)
  const isInside = (place: string) => place.startsWith(`${root}${path.sep}`)
  if (!isInside(file)) return null
  const found = await lstat(file).catch(() => null)
  if (!found?.isFile() || !isInside(await realpath(file))) return null
  if (found.size > most) throw new TooLarge(`${found.size} bytes`)
  return readFile(file)
}

export class TooLarge extends Error {}
