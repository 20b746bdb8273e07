import type { Deps } from '../deps.ts'
import { originalName } from '../library/keep.ts'
import { listPicturesById, type Picture } from '../library/queries.ts'
import { fileName } from '../library/send.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import { Refusal } from '../web/errors.ts'
import { inTurn } from '../web/turns.ts'
import { factsOf } from './facts.ts'
import {
  countUnfinished,
  type Export,
  exportsLock,
  findExportBySubmission,
  insertExport,
  type NewExport,
} from './queries.ts'

/** Of pictures; the manifest, a line each, is held while a download of it begins. */
const MOST_FILES = { pictures: 20_000, everything: 50_000 }
const MOST_UNFINISHED = 3
const AT_ONCE = 1000

/** What somebody asks for, once for a `submission` however often it is sent. */
interface Wanted extends Pick<NewExport, 'userId' | 'kind' | 'language' | 'submission'> {
  /** Of pictures; those that are not this person's are left out. */
  ids: readonly string[]
}

/**
 * Puts an export of these pictures into the queue; the one there is when it is asked for again. Throws `Refusal` 422 with
 * too many, or none where it is of pictures alone, 429 when too many wait, and 503 in maintenance.
 */
export async function startExport(deps: Pick<Deps, 'db'>, { ids, ...asked }: Wanted): Promise<Export> {
  const { userId, kind, submission } = asked
  const known = await findExportBySubmission(deps.db, userId, submission)
  if (known) return known
  const limit = MOST_FILES[kind]
  if (ids.length > limit) throw new Refusal(422, 'exports.too_many', { count: ids.length, limit })
  const pictures: Picture[] = []
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    pictures.push(...(await listPicturesById(deps.db, userId, ids.slice(at, at + AT_ONCE))))
  }
  if (pictures.length === 0 && kind === 'pictures') throw new Refusal(422, 'exports.nothing')
  pictures.sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
  const files = await filesOf(deps, userId, pictures)
  return inTurn(deps.db, exportsLock, { userId }, async tx => {
    const twin = await findExportBySubmission(tx, userId, submission)
    if (twin) return twin
    await refuseInMaintenance(tx)
    if ((await countUnfinished(tx, userId)) >= MOST_UNFINISHED) {
      throw new Refusal(429, 'exports.too_many_waiting', { limit: MOST_UNFINISHED }, 30)
    }
    const name = `${kind}-${new Date().toISOString().slice(0, 10)}-${pictures.length}`
    return insertExport(tx, { ...asked, name, files })
  })
}

async function filesOf(
  deps: Pick<Deps, 'db'>,
  userId: number,
  pictures: readonly Picture[],
): Promise<NewExport['files']> {
  const digits = Math.max(3, String(pictures.length).length)
  const files: NewExport['files'][number][] = []
  for (let at = 0; at < pictures.length; at += AT_ONCE) {
    const some = pictures.slice(at, at + AT_ONCE)
    const facts = await factsOf(deps.db, userId, some)
    for (const picture of some) {
      const number = String(files.length + 1).padStart(digits, '0')
      // As it came, not the copy that is shown.
      const isCopy = picture.originalFormat !== null
      const format = picture.originalFormat ?? picture.format
      files.push({
        object: isCopy ? originalName(picture.token) : picture.token,
        name: `pictures/${number}-${fileName(picture.prompt, { condition: picture.condition, format })}`,
        bytes: picture.originalBytes ?? picture.bytes,
        facts: facts.get(picture.id)!,
      })
    }
  }
  return files
}
