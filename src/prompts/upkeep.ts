import type { Upkeep, UpkeepDeps } from '../work/upkeep.ts'
import { tidySuggestions } from './suggestion-queries.ts'

/** What is done once an hour. */
export function upkeep({ db }: UpkeepDeps): Upkeep {
  return { suggestions: () => tidySuggestions(db) }
}
