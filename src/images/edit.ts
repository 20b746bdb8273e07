import type { Db } from '../db/db.ts'
import { findPicture } from '../library/queries.ts'
import { refusedFile } from '../library/refused.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { refuseSize } from '../models/sizes.ts'
import { parseId } from '../web/parse.ts'
import { findJob } from './job-queries.ts'
import { type FormValues, formOf, withSize } from './prompt.ts'
import { requestOf } from './start.ts'

/** The form that goes on from a picture: it alone to start from, its settings, its size where the model makes that. */
export async function editForm(db: Db, userId: number, pictureId: string, draft: FormValues): Promise<FormValues> {
  const picture = await findPicture(db, userId, parseId(pictureId))
  if (!picture || picture.format === 'bin') return { ...draft, refused: [...draft.refused, refusedFile('gone', '')] }
  const job = picture.jobId && (await findJob(db, userId, picture.jobId))
  const values = job ? formOf(requestOf(job)) : draft
  const size = `${picture.width}x${picture.height}`
  const isMade = refuseSize(findCapability(values.model) ?? defaultModel, size) === null
  const fresh = { ...values, prompt: '', references: [picture.token], mask: '', n: '1' }
  return withSize(fresh, isMade ? size : 'auto')
}
