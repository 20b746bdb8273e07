import { type Response, Router } from 'express'
import type { Deps } from '../deps.ts'
import { readForm } from '../images/prompt.ts'
import { requireSignIn, signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { parseId, readText } from '../web/parse.ts'
import { pageOf, render, renderView, sendFragments, wantsFragment } from '../web/render.ts'
import { isVisible } from '../web/text.ts'
import { deleteSaved, insertSaved, listSaved, renameSaved, type SavedPrompt } from './queries.ts'
import { slotsOf } from './slots.ts'
import { starters, subjects, wordsOf } from './starters.ts'
import { listSuggestions } from './suggestion-queries.ts'
import { suggestionRoutes } from './suggestion-routes.ts'
import type { DeletedView, PromptView, SubjectView } from './view.ts'

const MOST_SAVED = 200
const LONGEST_NAME = 80
const SUGGESTED_SHOWN = 12

/** Prompts that a person keeps, and ours to start from. */
export function promptRoutes(deps: Deps): Router {
  const { db } = deps
  const router = Router()
  router.use('/prompts', requireSignIn(deps, ['name', 'prompt']))

  router.use(suggestionRoutes(deps))

  router.get('/prompts', (_req, res) => show(res, null))

  // The form of Create as it stands; nothing of it is checked before it is used.
  router.post('/prompts', async (req, res) => {
    const form = readForm(req.body)
    if (!isVisible(form.prompt)) throw new Refusal(422, 'prompts.nothing')
    const name = nameIn({ name: '', ...req.body }) || beginningOf(form.prompt)
    const saved = await insertSaved(db, signedIn(res).userId, { name, form }, MOST_SAVED)
    if (!saved) throw new Refusal(409, 'prompts.too_many', { limit: MOST_SAVED })
    if (!wantsFragment(req)) return res.redirect(303, `/prompts#saved-${saved.id}`)
    sendFragments(res, renderView(pageOf(res), 'prompts/_saved', { id: saved.id, name }))
  })

  router.post('/prompts/:id/name', async (req, res) => {
    const name = nameIn(req.body)
    if (!isVisible(name)) throw new Refusal(422, 'prompts.no_name')
    const saved = await renameSaved(db, signedIn(res).userId, parseId(req.params.id), name)
    if (!saved) throw new Refusal(404, 'errors.not_found')
    res.redirect(303, `/prompts#saved-${saved.id}`)
  })

  router.post('/prompts/:id/delete', async (req, res) => {
    const deleted = await deleteSaved(db, signedIn(res).userId, parseId(req.params.id))
    if (!deleted) throw new Refusal(404, 'errors.not_found')
    await show(res, { name: deleted.name, values: readForm(deleted.form) })
  })

  async function show(res: Response, deleted: DeletedView | null): Promise<void> {
    const { userId } = signedIn(res)
    const [saved, suggested] = await Promise.all([listSaved(db, userId), listSuggestions(db, userId, SUGGESTED_SHOWN)])
    render(res, 'prompts/index', {
      mine: saved.map(viewSaved),
      suggested: suggested.map(({ id, kind, form, text }) => ({ id, kind, words: text ?? readForm(form).prompt })),
      subjects: viewSubjects(res),
      deleted,
    })
  }

  return router
}

function viewSaved({ id, name, form }: SavedPrompt): PromptView {
  const { prompt, references } = readForm(form)
  return { field: 'saved', id, name, text: prompt, slots: slotsOf(prompt), references: references.length }
}

function viewSubjects(res: Response): SubjectView[] {
  const { t } = pageOf(res)
  return subjects.map(subject => ({
    subject,
    words: `prompts.subjects.${subject}`,
    drawing: `examples/${subject}.svg`,
    prompts: starters[subject].names.map(name => {
      const text = t(wordsOf(subject, name))
      return { field: 'idea', id: `${subject}.${name}`, name: null, text, slots: slotsOf(text), references: 0 }
    }),
  }))
}

function nameIn(body: unknown): string {
  return readText(body, 'name', LONGEST_NAME, 'prompts.name_too_long')
}

function beginningOf(prompt: string): string {
  const [line = ''] = prompt.trim().split('\n', 1)
  const letters = Array.from(line)
  return letters.length > 60 ? `${letters.slice(0, 59).join('')}…` : line
}
