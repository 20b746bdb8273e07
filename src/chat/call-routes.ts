import { type Request, type Response, Router } from 'express'
import { keepCurrent } from '../account/current.ts'
import { requesterOf } from '../account/requester.ts'
import { accountOf } from '../account/viewer.ts'
import type { Deps } from '../deps.ts'
import { editTerms } from '../images/edit-terms.ts'
import { checkRequest, type FormValues, readForm as readImageForm, readWholeNumber, sizeOf } from '../images/prompt.ts'
import { quote } from '../images/quote.ts'
import { doubtsAbout, readTerms, type Terms, toldOf, wordDoubts } from '../images/terms.ts'
import { defaultModel } from '../models/image-models.ts'
import { Refusal, type Said, saidOf } from '../web/errors.ts'
import { unknownField } from '../web/parse.ts'
import { pageOf, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { wordEach } from '../web/words.ts'
import type { ToolCall } from './call-queries.ts'
import type { Conversation } from './conversation-queries.ts'
import { done, myCall } from './lookup.ts'
import { showPage } from './page/page.ts'
import { loadThread } from './page/thread.ts'
import { decline, paint } from './paint.ts'

/** The pictures that the model proposes: yes or no. */
export function callRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()

  router.post('/chat/:id/calls/:message/paint', async (req, res) => {
    const { conversation, call } = await myCall(db, req, res)
    const values = readImageForm({ ...req.body, n: String(req.body?.n ?? call.n), references: call.sources })
    const { t } = pageOf(res)
    const say = (sentence: string): Said => ({ sentence, see: null })
    // All that the card does not ask about stays as the card was offered.
    const unknown = unknownField(req, ['prompt', 'size', 'n', 'quality', 'terms', 'submission'])
    const other = unknown ?? (values.quality === defaultModel.defaults.quality ? null : 'quality')
    if (other) return answerCard(req, res, conversation, call, values, say(t('errors.unknown_field', { field: other })))
    const checked = checkRequest(values)
    if ('faults' in checked) {
      const sentences = Object.values(wordEach(t, checked.faults)).join(' ')
      return answerCard(req, res, conversation, call, values, say(sentences))
    }
    const { prompt, n } = checked.request
    await keepCurrent(deps, res)
    const seen = readTerms(req.body?.terms)
    const edit = await editTerms(deps, accountOf(res), [checked.request])
    const doubts = doubtsAbout(accountOf(res), [checked.request], edit, seen)
    if (doubts.length > 0) {
      const told = toldOf(doubts, seen)
      return answerCard(req, res, conversation, call, values, say(wordDoubts(doubts, t)), told)
    }
    try {
      await paint(deps, requesterOf(res), call, { prompt, size: sizeOf(values), n })
    } catch (error) {
      if (!(error instanceof Refusal) || error.status === 503) throw error
      return answerCard(req, res, conversation, call, values, saidOf(error, t))
    }
    done(req, res, conversation)
  })

  router.post('/chat/:id/calls/:message/decline', async (req, res) => {
    const { conversation, call } = await myCall(db, req, res)
    if (call.state === 'asked') await decline(deps, call)
    done(req, res, conversation)
  })

  async function answerCard(
    req: Request,
    res: Response,
    conversation: Conversation,
    call: ToolCall,
    values: FormValues,
    error: Said,
    told: Terms['told'] = [],
  ): Promise<void> {
    const { view } = await loadThread(
      deps,
      conversation,
      { at: call.messageId, before: null, from: null },
      accountOf(res),
    )
    const card = view.messages.find(message => message.id === call.messageId)
    if (card?.role !== 'tool') throw new Refusal(404, 'errors.not_found')
    const { prompt, size } = values
    const n = readWholeNumber(values.n) ?? card.n
    const edit = await editTerms(deps, accountOf(res), [values])
    const shown = { ...card, prompt, size, n, error, quote: quote(accountOf(res), values, edit, { told }) }
    if (wantsFragment(req))
      return sendFragments(res.status(422), renderView(pageOf(res), 'chat/_card', { message: shown }))
    await showPage(deps, req, res.status(422), conversation, { card: shown })
  }

  return router
}
