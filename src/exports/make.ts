import type { Deps } from '../deps.ts'
import type { Run } from '../work/worker.ts'
import { writePapers } from './everything.ts'
import { type Checked, type ClaimedExport, exportLeases, finishExport, listUnchecked, setChecked } from './queries.ts'
import { summing } from './sums.ts'

const AT_ONCE = 20
const KEPT_HOURS = 24
const MOST_ATTEMPTS = 20
const AGAIN_SECONDS = 30

/** Reads every file of the export once: what they add up to is all that its ZIP still lacks. */
export async function makeExport(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'at'>,
  made: ClaimedExport,
  run: Run,
): Promise<void> {
  try {
    await deps.at?.('claimed', made.id)
    for (;;) {
      if (run.signal.aborted) return await stopped(deps, made, run)
      const files = await listUnchecked(deps.db, made.id, AT_ONCE)
      if (files.length === 0) break
      const checked: Checked[] = []
      for (const { number, object } of files) {
        if (run.signal.aborted) break
        checked.push({ number, sums: await sumsOf(deps, object) })
      }
      if (checked.length > 0 && !(await setChecked(deps.db, made, checked))) return
      await deps.at?.('part', made.id)
    }
    if (made.kind === 'everything') await writePapers(deps, made, run.signal)
    if (run.signal.aborted) return await stopped(deps, made, run)
    await deps.at?.('ending', made.id)
    await finishExport(deps.db, made, 'ready', KEPT_HOURS)
  } catch (error) {
    deps.log.warn({ err: error, export: made.id }, 'an export could not go on')
    await again(deps, made)
  }
}

/** Goes on with one that another worker left behind. */
export async function again(deps: Pick<Deps, 'db'>, made: ClaimedExport): Promise<void> {
  if (made.attempts < MOST_ATTEMPTS) await exportLeases.requeue(deps.db, made, AGAIN_SECONDS)
  else await finishExport(deps.db, made, 'failed', KEPT_HOURS)
}

async function stopped(deps: Pick<Deps, 'db'>, made: ClaimedExport, { signal }: Run): Promise<void> {
  if (signal.reason === 'cancelled') await finishExport(deps.db, made, 'cancelled', 1)
  else await exportLeases.requeue(deps.db, made, 0)
}

async function sumsOf({ storage }: Pick<Deps, 'storage'>, object: string): Promise<Checked['sums']> {
  const summed = summing()
  const size = await storage.take(object, summed.add)
  return size === null ? null : summed.sums()
}
