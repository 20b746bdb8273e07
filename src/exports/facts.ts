import type { Db } from '../db/db.ts'
import { listHashes } from '../library/file-queries.ts'
import { listFolders, listTags } from '../library/folder-queries.ts'
import type { Picture } from '../library/queries.ts'
import { copyOf } from '../spend/copy.ts'
import { listReceiptsOfJobs } from '../spend/copy-queries.ts'

/** What the manifest says of each of these pictures, by its id, beside its file. */
export async function factsOf(
  db: Db,
  userId: number,
  pictures: readonly Picture[],
): Promise<Map<string, Record<string, unknown>>> {
  const folders = new Map((await listFolders(db, userId)).map(({ id, name }) => [id, name]))
  const keys = [...new Set(pictures.flatMap(({ tags }) => tags))]
  const tags = new Map((await listTags(db, userId, keys)).map(({ key, name }) => [key, name]))
  const hashes = await listHashes(db, userId, [...new Set(pictures.flatMap(({ sourceTokens }) => sourceTokens))])
  const jobs = [...new Set(pictures.flatMap(({ jobId }) => jobId ?? []))]
  const receipts = Map.groupBy(await listReceiptsOfJobs(db, userId, jobs), ({ subject }) => subject)
  return new Map(
    pictures.map(picture => [
      picture.id,
      {
        id: picture.id,
        origin: picture.origin,
        condition: picture.condition,
        prompt: picture.prompt,
        revised_prompt: picture.revisedPrompt || null,
        model: picture.model || null,
        requested_size: picture.requestedSize || null,
        quality: picture.quality || null,
        asked: picture.asked,
        returned: picture.returned,
        width: picture.width,
        height: picture.height,
        changed_outside: picture.changedOutside,
        derived: picture.derived,
        // Of a call that was for several pictures: its share.
        cost_usd: picture.cost === null ? null : decimal(picture.cost),
        job: picture.jobId,
        position: picture.position,
        receipts: (receipts.get(picture.jobId ?? '') ?? []).map(copyOf),
        made_from: picture.sourceTokens.flatMap(token => hashes.get(token)?.toString('hex') ?? []),
        created_at: picture.createdAt,
        favourite: picture.favourite,
        folder: picture.folderId === null ? null : (folders.get(picture.folderId) ?? null),
        tags: picture.tags.map(key => tags.get(key) ?? key),
      },
    ]),
  )
}

function decimal(usd: number): string {
  return usd.toFixed(10).replace(/\.?0+$/, '')
}
