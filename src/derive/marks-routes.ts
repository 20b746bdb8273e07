import { type Request, type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { findPicture, type Picture } from '../library/queries.ts'
import { drawMarks } from '../pixels/marks.ts'
import { Refusal } from '../web/errors.ts'
import { pageOf, render } from '../web/render.ts'
import { word } from '../web/words.ts'
import { offerEdit } from './ask.ts'
import { keepDerived } from './keep.ts'
import { instructionOf, marksOf, readMarks } from './marks.ts'
import { viewSource } from './source.ts'

/** Marks on a picture become an instruction: they are drawn on a copy, which goes along with the original. Nothing is paid here. */
export function marksRoutes(
  deps: Deps,
  mySource: (req: Request, res: Response) => Promise<Picture>,
  consume: (picture: Picture) => Promise<void>,
): Router {
  const router = Router()

  router.get('/derive/:id/marks', async (req, res) => {
    const picture = await mySource(req, res)
    render(res, 'derive/marks', { source: viewSource(picture), rows: readMarks({}), sentence: null })
  })

  router.post('/derive/:id/marks', async (req, res) => {
    const picture = await mySource(req, res)
    const rows = readMarks(req.body)
    const marks = marksOf(rows, picture)
    if ('fault' in marks) {
      const sentence = word(pageOf(res).t, marks.fault)
      return render(res.status(422), 'derive/marks', { source: viewSource(picture), rows, sentence })
    }
    await consume(picture)
    const id = await keepDerived(deps, picture, async original => ({
      bytes: await drawMarks(original, marks),
      derived: { did: 'mark', marks },
    }))
    const marked = await findPicture(deps.db, picture.userId, id)
    if (!marked) throw new Refusal(404, 'errors.not_found')
    const prompt = instructionOf(marks, pageOf(res).t)
    const references = [picture.token, marked.token]
    await offerEdit(deps, picture.userId, { prompt, references, mask: '', size: picture })
    res.redirect(303, '/images')
  })

  return router
}
