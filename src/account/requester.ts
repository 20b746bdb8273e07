import type { Response } from 'express'
import type { Caller } from '../gateway/client.ts'
import type { WindowName } from '../gateway/windows.ts'
import { signedIn } from '../session/guard.ts'
import { Refusal } from '../web/errors.ts'
import { goneSignal } from '../web/turns.ts'
import { fullWindow } from './key-state.ts'
import { obstacleTo } from './obstacle.ts'
import type { Account } from './queries.ts'
import { accountOf } from './viewer.ts'

/** The API key that pays, sealed for the account, or for the SSH key that asks. */
export type Payer = Pick<
  Account,
  'keyId' | 'keyName' | 'keyGroup' | 'keyAllowsImages' | 'keyPrices' | 'keySecret' | 'keyState' | 'keyCheckedAt'
>

/** Who asks, through which of their sign-ins or SSH keys, paying with which key. */
export interface Requester {
  userId: number
  signInId: string | null
  caller: Caller
  account: Payer | null
  sshKey?: { id: string; name: string }
  /** Aborted when the client has left: nothing is begun for it any more. */
  gone?: AbortSignal
}

/** Who asks, from the request; only behind `requireSignIn`. */
export function requesterOf(res: Response): Requester {
  const { userId, signInId, caller } = signedIn(res)
  return { userId, signInId, caller, account: accountOf(res), gone: goneSignal(res) }
}

/** What pays for a call, still sealed; whether from the balance and no plan; and the window of it that has to open before, if one is full. */
export interface UsableKey {
  keyId: number
  keyName: string | null
  keyGroup: string | null
  keySecret: Buffer
  fromBalance: boolean
  waits: { for: WindowName; until: Date } | null
}

/** Throws `Refusal` 409 with what is in the way. */
export function usableKey(account: Payer | null, what: 'pictures' | 'words'): UsableKey {
  const { keyId, keyName = null, keyGroup = null, keySecret, keyState = null } = account ?? {}
  const obstacle = obstacleTo(account, what)
  if (!keyId || !keySecret) {
    throw new Refusal(409, what === 'words' ? 'chat.blocked.no_key' : 'images.blocked.no_key')
  }
  if (obstacle?.blocks) throw new Refusal(409, `images.blocked.${obstacle.why}`, { key: obstacle.key })
  const full = fullWindow(keyState)
  const fromBalance = !keyState?.isPlan
  return { keyId, keyName, keyGroup, keySecret, fromBalance, waits: full && { for: full.window, until: full.resetsAt } }
}
