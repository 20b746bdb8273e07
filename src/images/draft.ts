import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { isVisible } from '../web/text.ts'
import { type Draft, type Origin, upsertDraft } from './draft-queries.ts'
import { type FormValues, readForm } from './prompt.ts'
import type { KeptDraftView } from './view.ts'

const WORDS_SHOWN = 160
const Field = z.object({ draft: z.string().regex(/^[0-9a-f-]{36}(?: \d{1,15})?$/) })

/** The field of a form of Create, or of Chat, that says which page it is on, and what that went on from: `<id> 12`. */
export function draftField(follows: number | null, page: string = randomUUID()): string {
  return follows === null ? page : `${page} ${follows}`
}

/** The same of a form that is sent back. */
export function draftFieldOf(body: unknown): string | undefined {
  return Field.safeParse(body).data?.draft
}

/** Null for a form that does not say: it goes on from the draft, whatever that is. */
export function originOf(body: unknown): Origin | null {
  const [page, follows] = draftFieldOf(body)?.split(' ') ?? []
  if (!z.guid().safeParse(page).success) return null
  return { page: page!, follows: follows === undefined ? null : Number(follows) }
}

/** Keeps a form that has been sent and answered, for the next visit; `sentAt` is on the clock of `performance.now()`. */
export async function keepDraft(
  deps: Pick<Deps, 'db' | 'log'>,
  userId: number,
  form: FormValues,
  origin: Origin | null,
  sentAt: number,
): Promise<void> {
  try {
    await upsertDraft(deps.db, userId, form, origin, (performance.now() - sentAt) / 1000)
  } catch (error) {
    // Its answer has been sent: there is nobody to tell, and what was asked for has begun.
    deps.log.warn({ err: error }, 'a draft could not be kept')
  }
}

/** Of drafts that were never sent, those with something in them that a form with these values lacks. */
export function viewKept(drafts: readonly Draft[], values: FormValues): KeptDraftView[] {
  return drafts.flatMap(({ page, form, version, sent }) => {
    const { prompt, references } = readForm(form)
    const isIn = values.prompt.includes(prompt) && references.every(token => values.references.includes(token))
    if (sent || isIn || (!isVisible(prompt) && references.length === 0)) return []
    return [{ page, words: beginningOf(prompt), files: references.length, isDraft: version !== null }]
  })
}

/** As much of a draft's words as its line has room for. */
export function beginningOf(words: string): string {
  const shown = words.trim()
  return shown.length > WORDS_SHOWN ? `${shown.slice(0, WORDS_SHOWN).toWellFormed()}…` : shown
}
