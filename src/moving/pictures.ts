import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { folderNamed, tagsNamed } from '../imports/file.ts'
import { type ImportedPicture, insertMoved, listShownTokens } from '../library/import-queries.ts'
import { storageLock } from '../library/storage-limit.ts'
import type { SourceItem } from './source.ts'

export type MoveDeps = Pick<Deps, 'db' | 'storage' | 'log' | 'config' | 'sealer'>

const FIRST_DAY = new Date('2000-01-01')

/** Why something is not taken, for the report: one of few reasons, and what is to be said of this one. */
export class NotTaken extends Error {
  readonly detail: string

  constructor(reason: string, detail = '', options?: ErrorOptions) {
    super(reason, options)
    this.detail = detail
  }
}

type Said = Pick<SourceItem, 'prompt' | 'size'> &
  Partial<Pick<SourceItem, 'folder' | 'tags' | 'favorite' | 'deletedAt'>> & { createdAt: Date }

/** A picture to be filed: its id there, the token of its file here, and what was said of it. */
export interface Filing {
  id: string
  token: string
  said: Said
}

/**
 * Files pictures in their owner's library under ids that they keep; answers the ids of those that are new: where these bytes
 * are shown already, or an id is taken, all stays as it is.
 */
export async function filePictures(deps: MoveDeps, userId: number, filings: readonly Filing[]): Promise<Set<string>> {
  const isMissing = async (db: Db) => {
    const shown = await listShownTokens(
      db,
      userId,
      filings.map(({ token }) => token),
    )
    const firsts = new Map(filings.toReversed().map(filing => [filing.token, filing]))
    return [...firsts.values()].filter(({ token }) => !shown.has(token))
  }
  // Most pictures of conversations are there: without a lock that is one question.
  if ((await isMissing(deps.db)).length === 0) return new Set()
  return deps.db.transaction(async tx => {
    await storageLock.wait(tx, userId)
    const folderOf = once((name: string) => folderNamed(tx, userId, name))
    const tagsOf = once((names: readonly string[]) => tagsNamed(tx, userId, names))
    const filed = new Set<string>()
    for (const { id, token, said } of await isMissing(tx)) {
      const place = { folderId: await folderOf(said.folder ?? ''), tags: await tagsOf(said.tags ?? []) }
      if (await insertMoved(tx, { ...pictureOf(said), ...place, id, userId, token })) filed.add(id)
    }
    return filed
  })
}

function pictureOf(said: Said): Omit<ImportedPicture, 'id' | 'userId' | 'token' | 'folderId' | 'tags'> {
  const now = new Date()
  const { createdAt } = said
  return {
    origin: said.prompt ? 'made' : 'uploaded',
    condition: 'whole',
    prompt: said.prompt,
    revisedPrompt: '',
    model: '',
    requestedSize: said.size.slice(0, 40),
    quality: '',
    favourite: said.favorite ?? false,
    createdAt: createdAt > now ? now : createdAt < FIRST_DAY ? FIRST_DAY : createdAt,
    // The days in the trash begin anew: nobody should lose what they were about to look for.
    deletedAt: said.deletedAt ? now : null,
    changedOutside: null,
    derived: null,
    asked: null,
    returned: {},
    sourceTokens: [],
    imported: { at: now, cost: null, receipts: [] },
  }
}

/** Asked again for the same, it answers as it did. */
function once<In, Out>(work: (what: In) => Promise<Out>): (what: In) => Promise<Out> {
  const known = new Map<string, Promise<Out>>()
  return what => {
    const key = JSON.stringify(what)
    const answer = known.get(key) ?? work(what)
    known.set(key, answer)
    return answer
  }
}
