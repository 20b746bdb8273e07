import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { type FormValues, readForm, withSize } from '../images/prompt.ts'
import type { Translate } from '../web/i18n.ts'
import { findSaved } from './queries.ts'
import { fillSlots } from './slots.ts'
import { ideaNamed } from './starters.ts'
import { findSuggestion } from './suggestion-queries.ts'

const Chosen = z.object({
  saved: z.guid().optional().catch(undefined),
  idea: z.string().optional().catch(undefined),
  suggested: z.guid().optional().catch(undefined),
  as: z.string().optional().catch(undefined),
  slot: z
    .union([z.string(), z.array(z.string())])
    .transform(values => [values].flat())
    .catch([]),
})

/**
 * The form that a saved prompt or an idea of ours makes, what it leaves open filled in; or that with a suggestion in it,
 * or as it was typed before that. Null where none is named.
 */
export async function chosenPrompt(
  { db }: Pick<Deps, 'db'>,
  userId: number,
  query: unknown,
  t: Translate,
): Promise<FormValues | null> {
  const { saved, idea, slot, suggested, as } = Chosen.parse(query ?? {})
  const suggestion = suggested ? await findSuggestion(db, userId, suggested) : null
  if (suggestion) {
    const typed = readForm(suggestion.form)
    return suggestion.text === null || as === 'typed' ? typed : { ...typed, prompt: suggestion.text }
  }
  const kept = saved ? await findSaved(db, userId, saved) : null
  if (kept) {
    const form = readForm(kept.form)
    return { ...form, prompt: fillSlots(form.prompt, slot) }
  }
  const ours = idea === undefined ? null : ideaNamed(idea)
  return ours && withSize(readForm({ prompt: fillSlots(t(ours.words), slot) }), ours.size)
}
