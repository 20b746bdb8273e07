import { randomUUID } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { type Blockage, upsertWorker } from './readiness-queries.ts'

const TOLD_MS = 5_000

/**
 * What keeps this process from beginning a picture: nothing is begun that could not be kept. Told to all pages, as often
 * as it changes and every few seconds; call the function again and again.
 */
export function watchReadiness(deps: Deps): () => Promise<Blockage | null> {
  const id = randomUUID()
  let told: Blockage | null = null
  let next = 0
  return async () => {
    const blocked = deps.storage.isProven() ? ((await deps.spill.hasRoom()) ? null : 'spill') : 'store'
    if (blocked !== told) deps.log.warn({ blocked, spill: await deps.spill.status() }, 'whether pictures are begun')
    if (blocked === told && performance.now() < next) return blocked
    told = blocked
    next = performance.now() + TOLD_MS
    await upsertWorker(deps.db, id, blocked).catch(error =>
      deps.log.warn({ err: error }, 'pages could not be told whether pictures are begun'),
    )
    return blocked
  }
}
