import type { Deps } from '../deps.ts'
import { findShown } from './queries.ts'

/** The form that asks for a picture like this one, as far as its author shows how; null where nothing is shown. */
export async function remixOf(deps: Pick<Deps, 'db' | 'config'>, id: string): Promise<Record<string, string> | null> {
  if (deps.config.gallery.open === 'off') return null
  const exhibit = await findShown(deps.db, id, null)
  if (!exhibit || exhibit.hiddenBecause !== null || exhibit.prompt === null) return null
  return { prompt: exhibit.prompt, ...exhibit.settings }
}
