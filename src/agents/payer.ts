import { opensBindingKey, sealBindingKey } from '../account/key.ts'
import { factsOf, fetchKeyRing } from '../account/keys.ts'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { SignedOut, withSomeAccessToken } from '../session/tokens.ts'
import { Problem } from './problem.ts'
import * as queries from './queries.ts'

const FRESH_MS = 5 * 60_000
/** While nobody can be asked, a spend cap is kept with older prices, but not for ever. */
const LONGEST_UNASKED_MS = 86_400_000
const AFTER_FAILURE_MS = 30_000

/**
 * The SSH key with what its API key costs now. The gateway tells prices to a person only, not to an API key: they are
 * asked for in the name of the owner's latest sign-in. Throws `Problem` 403 when a spend cap would have to be kept with
 * prices that nobody has been able to check for a day, 409 when the API key can no longer be read.
 */
export async function withCurrentPrices<K extends queries.SshKey>(deps: Deps, sshKey: K): Promise<K> {
  if (isCurrent(deps, sshKey)) return sshKey
  const current = { ...sshKey, ...(await askOnce(deps, sshKey)) }
  if (!canPay(deps, current)) throw new Problem(409, 'no_api_key', 'agents.key_lost')
  const isCapped = current.spendPerDay !== null || current.spendTotal !== null
  if (isCapped && age(current) > LONGEST_UNASKED_MS) {
    throw new Problem(403, 'price_unknown', 'agents.limit.price_not_checked')
  }
  return current
}

/** False when its API key was sealed under a secret that is no longer given. */
export function canPay(deps: Pick<Deps, 'sealer'>, { userId, id, keySecret }: queries.SshKey): boolean {
  return keySecret !== null && opensBindingKey(deps, userId, id, keySecret)
}

function isCurrent(deps: Pick<Deps, 'sealer'>, sshKey: queries.SshKey): boolean {
  return canPay(deps, sshKey) && age(sshKey) < FRESH_MS
}

function age({ keyCheckedAt }: queries.SshKey): number {
  return Date.now() - keyCheckedAt.getTime()
}

const questions = new Map<string, Promise<queries.SshKey | null>>()

/** Many tasks at once are one question, and a gateway that could not answer is left alone for a while. */
function askOnce(deps: Deps, sshKey: queries.SshKey): Promise<queries.SshKey | null> {
  const underWay = questions.get(sshKey.id)
  if (underWay) return underWay
  const forget = () => questions.delete(sshKey.id)
  const question = ask(deps, sshKey).then(
    answer => {
      forget()
      return answer
    },
    error => {
      if (!(error instanceof GatewayError || error instanceof PanelError)) {
        forget()
        throw error
      }
      setTimeout(forget, AFTER_FAILURE_MS).unref()
      deps.log.info({ err: error, sshKey: sshKey.id }, 'the price of an API key could not be checked')
      return null
    },
  )
  questions.set(sshKey.id, question)
  return question
}

/** Null when nobody is signed in to ask as. Throws what the gateway's panel throws. */
async function ask(deps: Deps, sshKey: queries.SshKey): Promise<queries.SshKey | null> {
  const { userId, id, keyId } = sshKey
  // The answer to the question before this one may have come since the row was read.
  const known = await queries.findSshKey(deps.db, userId, id)
  if (known && isCurrent(deps, known)) return known
  try {
    const ring = await withSomeAccessToken(deps, { userId, signInId: null }, (token, caller) =>
      fetchKeyRing(deps, caller, token),
    )
    const key = ring.keys.find(each => each.id === keyId)
    // Deleted there, it pays for nothing any more, and the task will say so.
    if (!key) return await queries.keepBoundKey(deps.db, sshKey)
    const sealed = sealBindingKey(deps, userId, id, key.key)
    return await queries.updateBoundKey(deps.db, sshKey, { ...factsOf(ring, key), sealed })
  } catch (error) {
    if (error instanceof SignedOut) return null
    throw error
  }
}
