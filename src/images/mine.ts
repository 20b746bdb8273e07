import { inPapers, type Mine } from '../work/mine.ts'
import { listDrafts } from './draft-queries.ts'
import { type AskedFor, listAsked } from './mine-queries.ts'

export const mine: Mine = {
  tables: {
    image_jobs: null,
    image_drafts: null,
    kept_drafts: null,
    image_batches: 'only which jobs were asked for together, which these say',
    image_masks: 'painted over a picture for one call, and kept for days',
    image_previews: 'of pictures that are being made',
    edit_billing: 'what was learnt of how the gateway bills',
    key_lanes: 'what was learnt of how much the gateway makes at once, for a day',
  },
  async *papers({ db }, userId) {
    yield* inPapers<AskedFor>('prompts', (after, limit) => listAsked(db, userId, after, limit))
    const [draft, ...aside] = await listDrafts(db, userId)
    if (draft) yield { name: 'drafts/create.json', content: draft.form }
    if (aside.length > 0) yield { name: 'drafts/create-kept.json', content: aside.map(({ form }) => form) }
  },
}
