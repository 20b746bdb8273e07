import type { Deps } from '../deps.ts'
import { SealBroken } from '../secrets/sealer.ts'
import type { Secret } from '../secrets/secret.ts'

// An API key is sealed twice: on the account for as long as it is chosen, and on every job for as long as that needs it.
// The purposes differ, so that a sealed key moved from one table to the other does not open.

type Opener = Pick<Deps, 'sealer' | 'log'>

export function sealChosenKey(deps: Pick<Deps, 'sealer'>, userId: number, key: Secret): Buffer {
  return deps.sealer.seal('chosen key', userId, key)
}

/** False when it was sealed under a secret that is no longer given. */
export function opensChosenKey(deps: Pick<Deps, 'sealer'>, userId: number, sealed: Buffer): boolean {
  return opens(deps, 'chosen key', userId, sealed)
}

export function resealChosenKey(deps: Pick<Deps, 'sealer'>, userId: number, sealed: Buffer): Buffer {
  return deps.sealer.reseal('chosen key', userId, sealed)
}

/** The chosen key, sealed anew for one job; the clear text does not leave this function. */
export function sealKeyForJob(deps: Pick<Deps, 'sealer'>, userId: number, jobId: string, chosen: Buffer): Buffer {
  const key = deps.sealer.open('chosen key', userId, chosen)
  return deps.sealer.seal(`key of job ${jobId}`, userId, key)
}

export function resealJobKey(deps: Pick<Deps, 'sealer'>, userId: number, jobId: string, sealed: Buffer): Buffer {
  return deps.sealer.reseal(`key of job ${jobId}`, userId, sealed)
}

/** The chosen key, sealed anew for one answer of a text model. */
export function sealKeyForReply(deps: Pick<Deps, 'sealer'>, userId: number, replyId: string, chosen: Buffer): Buffer {
  const key = deps.sealer.open('chosen key', userId, chosen)
  return deps.sealer.seal(`key of reply ${replyId}`, userId, key)
}

/** In clear, for the time of one gateway call. Null when no secret opens it any more: trying again would not help. */
export function openJobKey(deps: Opener, userId: number, jobId: string, sealed: Buffer): Secret | null {
  return openForCall(deps, `key of job ${jobId}`, userId, sealed)
}

export function resealReplyKey(deps: Pick<Deps, 'sealer'>, userId: number, replyId: string, sealed: Buffer): Buffer {
  return deps.sealer.reseal(`key of reply ${replyId}`, userId, sealed)
}

/** As `openJobKey`, of an answer. */
export function openReplyKey(deps: Opener, userId: number, replyId: string, sealed: Buffer): Secret | null {
  return openForCall(deps, `key of reply ${replyId}`, userId, sealed)
}

/** In clear, for one question about the key itself: which models it may use. */
export function openChosenKey(deps: Pick<Deps, 'sealer'>, userId: number, sealed: Buffer): Secret {
  return deps.sealer.open('chosen key', userId, sealed)
}

/** For an SSH key that is bound to it. */
export function sealBindingKey(deps: Pick<Deps, 'sealer'>, userId: number, sshKeyId: string, key: Secret): Buffer {
  return deps.sealer.seal(`key of SSH key ${sshKeyId}`, userId, key)
}

/** False when it was sealed under a secret that is no longer given. */
export function opensBindingKey(deps: Pick<Deps, 'sealer'>, userId: number, sshKeyId: string, bound: Buffer): boolean {
  return opens(deps, `key of SSH key ${sshKeyId}`, userId, bound)
}

export function resealBindingKey(deps: Pick<Deps, 'sealer'>, userId: number, sshKeyId: string, bound: Buffer): Buffer {
  return deps.sealer.reseal(`key of SSH key ${sshKeyId}`, userId, bound)
}

/** The API key of an SSH key, sealed anew for one job; the clear text does not leave this function. */
export function sealBindingKeyForJob(
  deps: Pick<Deps, 'sealer'>,
  userId: number,
  jobId: string,
  sshKeyId: string,
  bound: Buffer,
): Buffer {
  const key = deps.sealer.open(`key of SSH key ${sshKeyId}`, userId, bound)
  return deps.sealer.seal(`key of job ${jobId}`, userId, key)
}

function openForCall(deps: Opener, purpose: string, userId: number, sealed: Buffer): Secret | null {
  try {
    return deps.sealer.open(purpose, userId, sealed)
  } catch (error) {
    if (!(error instanceof SealBroken)) throw error
    deps.log.error({ err: error, userId }, `the ${purpose} cannot be opened`)
    return null
  }
}

function opens(deps: Pick<Deps, 'sealer'>, purpose: string, userId: number, sealed: Buffer): boolean {
  try {
    return Boolean(deps.sealer.open(purpose, userId, sealed))
  } catch (error) {
    if (error instanceof SealBroken) return false
    throw error
  }
}
