import type { Deps } from '../deps.ts'
import type { Readers } from '../work/news.ts'
import { callForSuggestion } from './suggest.ts'

/** What prompts do about news. */
export function promptNews(deps: Deps): Pick<Readers, 'suggestion-asked'> {
  return { 'suggestion-asked': ({ userId, subject }, run) => callForSuggestion(deps, userId, subject, run) }
}
