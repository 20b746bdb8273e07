import type { Response } from 'express'
import { accountOf } from '../account/viewer.ts'
import { signedIn } from '../session/guard.ts'
import { goneSignal } from '../web/turns.ts'
import type { Requester } from './start.ts'

/** Who asks, from the request; only behind `requireSignIn`. */
export function requesterOf(res: Response): Requester {
  const { userId, signInId, caller } = signedIn(res)
  return { userId, signInId, caller, account: accountOf(res), gone: goneSignal(res) }
}
