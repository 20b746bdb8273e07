import type { Request, Response } from 'express'
import type { Deps } from '../deps.ts'
import type { Intake } from '../library/intake.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf } from '../web/render.ts'
import { uploadsOf } from '../web/uploads.ts'
import { type FormValues, readForm } from './prompt.ts'
import { keepReferences, withKept } from './references.ts'

/** The form, with the files that came along in it: without JavaScript they come with everything else. */
export async function postedForm(deps: Deps, intake: Intake, req: Request, res: Response): Promise<FormValues> {
  const values = readForm(req.body)
  const uploads = uploadsOf(req, 'file')
  if (uploads.length === 0) return values
  const { userId } = signedIn(res)
  const room = (findCapability(values.model) ?? defaultModel).maxReferences - values.references.length
  const unnamed = pageOf(res).t('images.upload.unnamed')
  const kept = await keepReferences(deps, intake, userId, uploads, Math.max(0, room), unnamed)
  return withKept(values, uploads.length, kept)
}
