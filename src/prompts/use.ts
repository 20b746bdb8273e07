import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { type FormValues, readForm, withSize } from '../images/prompt.ts'
import type { Translate } from '../web/i18n.ts'
import { findSaved } from './queries.ts'
import { fillSlots } from './slots.ts'
import { ideaNamed } from './starters.ts'

const Chosen = z.object({
  saved: z.guid().optional().catch(undefined),
  idea: z.string().optional().catch(undefined),
  slot: z
    .union([z.string(), z.array(z.string())])
    .transform(values => [values].flat())
    .catch([]),
})

/** The form that a saved prompt or an idea of ours makes, what it leaves open filled in; null where none is named. */
export async function chosenPrompt(
  { db }: Pick<Deps, 'db'>,
  userId: number,
  query: unknown,
  t: Translate,
): Promise<FormValues | null> {
  const { saved, idea, slot } = Chosen.parse(query ?? {})
  const kept = saved ? await findSaved(db, userId, saved) : null
  if (kept) {
    const form = readForm(kept.form)
    return { ...form, prompt: fillSlots(form.prompt, slot) }
  }
  const ours = idea === undefined ? null : ideaNamed(idea)
  return ours && withSize(readForm({ prompt: fillSlots(t(ours.words), slot) }), ours.size)
}
