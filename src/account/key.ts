import type { Deps } from '../deps.ts'
import type { Secret } from '../secrets/secret.ts'

// An API key is sealed twice: on the account for as long as it is chosen, and on every job for as long as that needs it.
// The purposes differ, so that a sealed key moved from one table to the other does not open.

export function sealChosenKey(deps: Pick<Deps, 'sealer'>, userId: number, key: Secret): Buffer {
  return deps.sealer.seal('chosen key', userId, key)
}

/** The chosen key, sealed anew for one job; the clear text does not leave this function. */
export function sealKeyForJob(deps: Pick<Deps, 'sealer'>, userId: number, jobId: string, chosen: Buffer): Buffer {
  const key = deps.sealer.open('chosen key', userId, chosen)
  return deps.sealer.seal(`key of job ${jobId}`, userId, key)
}

/** In clear, for the time of one gateway call. */
export function openJobKey(deps: Pick<Deps, 'sealer'>, userId: number, jobId: string, sealed: Buffer): Secret {
  return deps.sealer.open(`key of job ${jobId}`, userId, sealed)
}
