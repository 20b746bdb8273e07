import type { Request, RequestHandler, Response } from 'express'
import { pageOf } from '../web/render.ts'
import { plainFields, typedForm } from '../web/typed-form.ts'
import { acceptFields } from '../web/uploads.ts'
import type { KeptForm } from './session-data.ts'

/** What was typed into a form that met an ended sign-in; null when that is nothing. Reads the body, where nobody has. */
export async function readTyped(req: Request, res: Response): Promise<KeptForm | null> {
  if (req.method !== 'POST') return null
  await acceptFields(req, res)
  const typed = (res.locals.typed as readonly string[] | undefined) ?? []
  const kept = { path: pathOf(req), fields: plainFields(req.body), typed: [...typed] }
  return typedForm(kept.path, kept.fields, kept.typed) && kept
}

/** Puts the form that waits for its person on every page, until it is sent again, taken by its room or thrown away. */
export function showKeptForm(): RequestHandler {
  return (req, res, next) => {
    const { keptForm } = req.session
    if (keptForm && res.locals.signedIn) {
      if (req.method === 'POST' && keptForm.path === pathOf(req)) delete req.session.keptForm
      // A draft is no request of its own: its room puts it back.
      else if (!keptForm.path.endsWith('/draft')) {
        pageOf(res).keptForm = typedForm(keptForm.path, keptForm.fields, keptForm.typed ?? [])
      }
    }
    next()
  }
}

/** The fields of the form that was interrupted, where they are put back into the form that they came from. */
export function takeKeptForm(
  req: Request,
  res: Response,
  isMine: (kept: KeptForm) => boolean,
): KeptForm['fields'] | null {
  const { keptForm } = req.session
  if (!keptForm || !isMine(keptForm)) return null
  delete req.session.keptForm
  pageOf(res).keptForm = null
  return keptForm.fields
}

/** The whole path: in a room's guard `req.path` lacks what the guard is mounted on. */
function pathOf(req: Request): string {
  return (req.baseUrl + req.path).replace(/\/$/, '')
}
