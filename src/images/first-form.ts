import type { Request, Response } from 'express'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { refusedFile } from '../library/refused.ts'
import { signedIn } from '../session/guard.ts'
import { takeKeptForm } from '../session/kept-form.ts'
import type { Translate } from '../web/i18n.ts'
import { pageOf } from '../web/render.ts'
import { draftField, draftFieldOf, originOf, viewKept } from './draft.ts'
import { type Draft, listDrafts, upsertDraft } from './draft-queries.ts'
import { editForm } from './edit.ts'
import { examples } from './examples.ts'
import { findJob } from './job-queries.ts'
import { type FormValues, formOf, readForm, withSize } from './prompt.ts'
import { tokensOf, withKept } from './references.ts'
import { requestOf } from './start.ts'
import type { KeptDraftView } from './view.ts'

/** What the composer is sent to. */
const FORM_PATHS = new Set(['/images', '/images/draft', '/images/composer', '/images/key', '/images/references'])
const Id = z.guid()
const Suggested = z.object({ suggested: Id.optional().catch(undefined), as: z.string().optional().catch(undefined) })

/** Forms that other rooms offer, by what an address names. */
export interface Offers {
  remixOf: (id: string) => Promise<Record<string, string> | null>
  promptOf: (userId: number, query: unknown, t: Translate) => Promise<FormValues | null>
}

interface FirstForm {
  values: FormValues
  /** As `draftField` says it. */
  draft: string
  kept: KeptDraftView[]
  /** The form as it was typed before a suggestion took its place. */
  undo: string | null
}

/** What the form shows first: what an ended sign-in interrupted, settings asked for, or a draft; and the drafts that it is not. */
export async function firstForm(deps: Deps, offers: Offers, req: Request, res: Response): Promise<FirstForm> {
  const { db } = deps
  const { userId } = signedIn(res)
  const interrupted = takeKeptForm(req, res, ({ path }) => FORM_PATHS.has(path))
  if (interrupted) await upsertDraft(db, userId, readForm(interrupted), originOf(interrupted))
  const drafts = await listDrafts(db, userId)
  const newest = drafts.find(({ version }) => version !== null) ?? null
  if (interrupted) return goingOn(readForm(interrupted), draftFieldOf(interrupted))

  const asked = await askedFor(deps, offers, req, res)
  if (asked) return { values: asked, draft: draftField(null), kept: viewKept(drafts, asked), undo: undoOf(req.query) }
  const resumed = drafts.find(({ page, version }) => page === req.query.draft && version === null)
  if (resumed) return goingOn(readForm(resumed.form), draftField(null, resumed.page), resumed)
  const draft = readForm(newest?.form)
  if (typeof req.query.edit === 'string') {
    const values = await editForm(db, userId, req.query.edit, draft)
    return { values, draft: draftField(null), kept: viewKept(drafts, values), undo: null }
  }
  if (req.query.reference !== undefined) {
    const names = [req.query.reference].flat().slice(0, 16).map(String)
    const tokens = await tokensOf(db, userId, names)
    return goingOn(
      withKept(draft, 0, { tokens, refused: tokens.length < names.length ? [refusedFile('gone', '')] : [] }),
    )
  }
  return goingOn(typeof req.query.size === 'string' ? withSize(draft, req.query.size) : draft)

  function goingOn(
    values: FormValues,
    draft = draftField(newest?.version ?? null),
    from: Draft | null = newest,
  ): FirstForm {
    return {
      values,
      draft,
      kept: viewKept(
        drafts.filter(each => each !== from),
        values,
      ),
      undo: null,
    }
  }
}

/** The address of Create without the suggestion that its own address puts there. */
function undoOf(query: unknown): string | null {
  const { suggested, as } = Suggested.parse(query)
  return suggested && as !== 'typed' ? `/images?suggested=${suggested}&as=typed` : null
}

/** The form of a job, an example, a prompt or an exhibit that the address names; null where it names none. */
async function askedFor({ db }: Deps, offers: Offers, req: Request, res: Response): Promise<FormValues | null> {
  const { userId } = signedIn(res)
  const { t } = pageOf(res)
  const from = Id.safeParse(req.query.from)
  const source = from.success ? await findJob(db, userId, from.data) : null
  if (source) return formOf(requestOf(source))
  const example = examples.find(({ name }) => name === req.query.example)
  if (example) return withSize(readForm({ prompt: t(`images.examples.${example.name}`) }), example.size)
  const chosen = await offers.promptOf(userId, req.query, t)
  if (chosen) return chosen
  const remix = Id.safeParse(req.query.remix)
  const remixed = remix.success ? await offers.remixOf(remix.data) : null
  return remixed && (remixed.size ? withSize(readForm(remixed), remixed.size) : readForm(remixed))
}
