import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'
import { countPanelCalls } from '../session/panel-queries.ts'
import { withAccessToken } from '../session/tokens.ts'
import type { Translate } from '../web/i18n.ts'
import { dayIn, type Period } from './period.ts'
import { listKeyNames } from './queries.ts'
import { listExplained } from './settle-queries.ts'
import { readUsage } from './usage.ts'
import type { ElsewhereView } from './view.ts'

type Known = Extract<ElsewhereView, { state: 'known' }>

/**
 * What the gateway billed to the person's keys in these days, and no receipt explains. Null when it cannot be asked just
 * now. Throws `SignedOut`, and `Refusal` when it was asked too often.
 */
export async function findElsewhere(
  deps: Pick<Deps, 'db' | 'gateway' | 'sealer' | 'log'>,
  { userId, signInId }: { userId: number; signInId: string },
  period: Period,
  t: Translate,
): Promise<Known | null> {
  // A day more: no zone is further away from UTC.
  const since = new Date(Date.parse(`${period.from}T00:00:00Z`) - 86_400_000)
  await countPanelCalls(deps.db, userId, 2, 1)
  try {
    const usage = await withAccessToken(deps, signInId, (token, caller) =>
      readUsage(deps, userId, caller, token, since),
    )
    const rows = usage.rows.filter(({ createdAt }) => {
      const day = createdAt && dayIn(period.zone, createdAt)
      return day !== null && day >= period.from && day <= period.until
    })
    const explained = await listExplained(deps.db, userId, rows)
    const strange = Map.groupBy(
      rows.filter(({ id }) => !explained.has(id)),
      ({ keyId }) => keyId,
    )
    const names = await listKeyNames(deps.db, userId)
    const keys = [...strange].map(([keyId, billed]) => ({
      name: names.get(keyId ?? 0) ?? t('spend.page.elsewhere.deleted_key', { id: keyId ?? '?' }),
      calls: billed.length,
      usd: billed.reduce((sum, { actualCost }) => sum + actualCost, 0),
    }))
    return { state: 'known', keys, unreadBefore: usage.since > since ? usage.since : null }
  } catch (error) {
    if (!(error instanceof GatewayError || error instanceof PanelError)) throw error
    deps.log.info({ err: error, user: userId }, 'the gateway did not tell what it billed')
    return null
  }
}
