import { fullWindow, problemNow } from './key-state.ts'
import type { Account } from './queries.ts'
import type { ObstacleView } from './view.ts'

/** Whatever the key: no picture could be kept. */
export const noStore: ObstacleView = { why: 'no_store', key: '', blocks: true, until: null, others: [] }

type Payer = Pick<Account, 'keyId' | 'keyName' | 'keyAllowsImages' | 'keyState'> &
  Partial<Pick<Account, 'balance' | 'otherKeys'>>

/**
 * What is in the way of paying, told before anything is paid; null when nothing is known to be. The keys that come with
 * it could pay instead.
 */
export function obstacleTo(account: Payer | null, what: 'pictures' | 'words'): ObstacleView | null {
  const others = (account?.otherKeys ?? []).filter(key => what === 'words' || key.allowsImages)
  const obstacle = (why: ObstacleView['why'], more: Partial<ObstacleView> = {}): ObstacleView => {
    return { why, key: account?.keyName ?? '', blocks: true, until: null, others, ...more }
  }
  if (!account?.keyId) return obstacle('no_key')
  const problem = problemNow(account.keyState)
  if (problem) return obstacle(problem)
  if (what === 'pictures' && !account.keyAllowsImages) return obstacle('group_no_images')
  const full = fullWindow(account.keyState)
  if (full) return obstacle(`window_${full.window}`, { blocks: false, until: full.resetsAt })
  const isBroke = account.balance != null && account.balance <= 0 && !account.keyState?.isPlan
  // The gateway is the judge of it: money may have come since.
  return isBroke ? obstacle('no_balance', { blocks: false, others: [] }) : null
}
