import { stat } from 'node:fs/promises'
import type { Deps } from '../deps.ts'
import { discardBytes, newToken } from '../library/keep.ts'
import { deleteNamed, insertNamed } from '../library/named-queries.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import { Refusal } from '../web/errors.ts'
import { inTurn } from '../web/turns.ts'
import type { Upload } from '../web/uploads.ts'
import { countUnfinished, type Import, importsLock, insertImport } from './queries.ts'

const MOST_UNFINISHED = 2
const LONGEST_NAME = 200

/**
 * Takes a file into the store, where any worker finds it, and puts its import into the queue. Throws `Refusal` 422 without
 * a file, 429 when too many wait, 503 in maintenance, and `StorageError`.
 */
export async function startImport(
  deps: Pick<Deps, 'db' | 'storage' | 'log'>,
  userId: number,
  { name, file }: Upload & { file: string },
): Promise<Import> {
  const { size } = await stat(file)
  if (size === 0) throw new Refusal(422, 'imports.no_file')
  const object = `${newToken()}.import`
  await insertNamed(deps.db, object)
  try {
    await deps.storage.put(object, { file, size }, { contentType: 'application/zip', withoutCopies: true })
    return await inTurn(deps.db, importsLock, { userId }, async tx => {
      await refuseInMaintenance(tx)
      if ((await countUnfinished(tx, userId)) >= MOST_UNFINISHED) {
        throw new Refusal(429, 'imports.too_many_waiting', { limit: MOST_UNFINISHED }, 30)
      }
      if (!(await deleteNamed(tx, object))) throw new Error(`${object} took longer than a day to be stored`)
      return insertImport(tx, {
        userId,
        name: name.trim().slice(0, LONGEST_NAME).toWellFormed() || 'import.zip',
        object,
        bytes: size,
      })
    })
  } catch (error) {
    await discardBytes(deps, object).catch(() => undefined)
    throw error
  }
}
