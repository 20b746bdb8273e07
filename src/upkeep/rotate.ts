import { listProcesses } from '../db/processes.ts'
import type { UpkeepDeps } from '../work/upkeep.ts'
import { sealAnew } from './hourly.ts'
import { countSealed } from './seal-queries.ts'

/** What the operator is told, and nothing else: no bug. */
export class RotationError extends Error {
  override readonly name = 'RotationError'
}

export interface Rotated {
  /** Rows that the older secrets had sealed. */
  found: number
  /** Of these, how many still are: no secret opens them, or they came meanwhile. */
  left: number
}

/**
 * Seals anew what older secrets sealed, row by row, beside processes that run. Stopped at any time, it goes on with the rest.
 * Throws `RotationError` where there is no older secret, or a process runs that could not open what is sealed anew.
 */
export async function rotateSecret(
  deps: UpkeepDeps,
  { dryRun, progress }: { dryRun: boolean; progress(what: string, done: number, total: number): void },
): Promise<Rotated> {
  const { db, sealer } = deps
  if (sealer.older.length === 0) {
    throw new RotationError(
      'there is one secret only: set SESSION_SECRET=new,old, start the app with it, and come again',
    )
  }
  const current = sealer.current.toString('hex')
  const strangers = (await listProcesses(db)).filter(known => !known.includes(current))
  if (strangers.length > 0) {
    throw new RotationError(
      'a process of the app runs without the new secret, and could open nothing that is sealed by it: restart it first',
    )
  }
  const found = await countSealed(db, sealer.older)
  if (dryRun) return { found, left: found }
  let done = 0
  for (const seal of sealAnew(deps)) {
    progress('seals', done, found)
    done += await seal()
  }
  progress('seals', found, found)
  return { found, left: await countSealed(db, sealer.older) }
}
