import { inPapers, type Mine } from '../work/mine.ts'
import { listSaved } from './queries.ts'
import { listSuggestionsAfter, type Suggestion } from './suggestion-queries.ts'

export const mine: Mine = {
  tables: { saved_prompts: null, suggestions: null },
  async *papers({ db }, userId) {
    const saved = await listSaved(db, userId)
    if (saved.length > 0) yield { name: 'saved-prompts.json', content: saved }
    yield* inPapers(
      'suggested-prompts',
      (after: Suggestion | null, limit) => listSuggestionsAfter(db, userId, after, limit),
      ({ kind, form, token, state, model, text, createdAt }: Suggestion) => ({
        kind,
        form,
        token,
        state,
        model,
        text,
        createdAt,
      }),
    )
  },
}
