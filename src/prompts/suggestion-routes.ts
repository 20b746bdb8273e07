import { type Response, Router } from 'express'
import { z } from 'zod'
import { keepCurrent } from '../account/current.ts'
import { obstacleTo } from '../account/obstacle.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf } from '../account/viewer.ts'
import { listChatModels } from '../chat/models.ts'
import type { Deps } from '../deps.ts'
import { readForm } from '../images/prompt.ts'
import { tokensOf } from '../images/references.ts'
import { listFiles } from '../library/file-queries.ts'
import { signedIn } from '../session/guard.ts'
import { viewNewest } from '../spend/receipt-view.ts'
import { mapDearest } from '../spend/reservation-queries.ts'
import { Refusal } from '../web/errors.ts'
import { parse, parseId } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { isVisible } from '../web/text.ts'
import { askSuggestion, chooseModel } from './suggest.ts'
import { findLastModel, findSuggestion, insertSuggestion, type Suggestion } from './suggestion-queries.ts'
import { viewSuggestion } from './suggestion-view.ts'

const Picture = z.string().max(64)
const Model = z.object({ model: z.string().max(100) })

/** A prompt that a text model writes anew, or for a picture: said what it may cost before, and taken or left after. */
export function suggestionRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  // The form of Create as it stands, or a picture by its id or that of its bytes. Nothing is asked for yet.
  router.post('/prompts/suggestions', async (req, res) => {
    const { userId } = signedIn(res)
    const language = pageOf(res).lang
    const picture = Picture.safeParse(req.body?.picture).data
    const form = readForm(req.body)
    const [token = null] = picture === undefined ? [] : await tokensOf(db, userId, [picture])
    if (picture !== undefined && !token) throw new Refusal(404, 'errors.not_found')
    if (!token && !isVisible(form.prompt)) throw new Refusal(422, 'prompts.suggest.nothing')
    const kind = token ? 'describe' : 'improve'
    const suggestion = await db.transaction(tx => insertSuggestion(tx, userId, { kind, language, token, form }))
    if (!wantsFragment(req)) return res.redirect(303, addressOf(suggestion))
    res.set('HX-Redirect', addressOf(suggestion)).status(204).end()
  })

  router.get('/prompts/suggestions/:id', async (req, res) => {
    const suggestion = await mine(res, req.params.id)
    if (wantsFragment(req)) {
      const view = await show(res, suggestion)
      return sendFragments(res, renderView(pageOf(res), 'prompts/_suggestion', { suggestion: view }))
    }
    if (suggestion.state === 'open') await keepCurrent(deps, res)
    render(res, 'prompts/suggestion', { suggestion: await show(res, suggestion) })
  })

  router.post('/prompts/suggestions/:id/ask', async (req, res) => {
    const suggestion = await mine(res, req.params.id)
    const { model } = parse(Model, req.body)
    const models = await modelsOf(res)
    if (!models.some(({ id }) => id === model)) throw new Refusal(422, 'prompts.suggest.no_model', { model })
    await askSuggestion(deps, requesterOf(res), suggestion, model)
    res.redirect(303, addressOf(suggestion))
  })

  // The same once more, which may be paid a second time: on a page of its own.
  router.post('/prompts/suggestions/:id/again', async (req, res) => {
    const { userId, kind, token, form } = await mine(res, req.params.id)
    const language = pageOf(res).lang
    const again = await db.transaction(tx =>
      insertSuggestion(tx, userId, { kind, language, token, form: readForm(form) }),
    )
    res.redirect(303, addressOf(again))
  })

  async function show(res: Response, suggestion: Suggestion) {
    const { userId, kind, id, state, token } = suggestion
    const account = accountOf(res)
    const models = state === 'open' ? await modelsOf(res) : []
    const [dearest, last, receipts, [file = null]] = await Promise.all([
      mapDearest(db, userId, kind),
      findLastModel(db, userId),
      viewNewest(db, userId, kind, [id]),
      listFiles(db, userId, token ? [token] : []),
    ])
    return viewSuggestion(suggestion, {
      models,
      model: models.length > 0 ? chooseModel(models, last).id : null,
      dearest,
      file,
      receipt: receipts.get(id) ?? null,
      obstacle: state === 'open' ? obstacleTo(account, 'words') : null,
      t: pageOf(res).t,
    })
  }

  function modelsOf(res: Response) {
    return listChatModels(deps, signedIn(res).caller, accountOf(res))
  }

  async function mine(res: Response, id: unknown): Promise<Suggestion> {
    const suggestion = await findSuggestion(db, signedIn(res).userId, parseId(id))
    if (!suggestion) throw new Refusal(404, 'errors.not_found')
    return suggestion
  }

  return router
}

function addressOf({ id }: Suggestion): string {
  return `/prompts/suggestions/${id}`
}
