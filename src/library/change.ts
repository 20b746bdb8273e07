import type { Deps } from '../deps.ts'
import { refuseInMaintenance } from '../operators/maintenance.ts'
import { Refusal } from '../web/errors.ts'
import {
  applyChange,
  type Change,
  countOverTagged,
  insertChange,
  insertChanged,
  lockPictures,
  setCount,
} from './change-queries.ts'
import { queueChange } from './long-change-queries.ts'
import { MOST_TAGS } from './names.ts'

/** So many while somebody waits for the page; more are left to the workers. */
const AT_ONCE = 2000

/**
 * Changes this person's pictures among `ids`, so that it can be undone for a day: all or none, or, very many, part by part from now on.
 * Answers the change, or null when there is none of them. Throws `Refusal` 422 where a picture would have too many tags,
 * and 503 for very many in maintenance.
 */
export async function changePictures(
  deps: Pick<Deps, 'db'>,
  userId: number,
  ids: readonly string[],
  change: Change,
): Promise<{ id: string; count: number } | null> {
  return deps.db.transaction(async tx => {
    const isLong = ids.length > AT_ONCE
    if (isLong) await refuseInMaintenance(tx)
    const id = await insertChange(tx, userId, change)
    let count = 0
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const some = ids.slice(at, at + AT_ONCE)
      if (!isLong) await lockPictures(tx, userId, some)
      count += await insertChanged(tx, userId, id, some)
    }
    if (count === 0) return null
    if (change.did === 'tag') {
      const over = await countOverTagged(tx, id, change.tags)
      if (over > 0) throw new Refusal(422, 'library.tags.over', { count: over, limit: MOST_TAGS })
    }
    if (isLong) await queueChange(tx, id, count)
    else {
      await applyChange(tx, userId, id, change)
      await setCount(tx, id, count)
    }
    return { id, count }
  })
}
