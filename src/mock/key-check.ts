import type { Exchange } from './exchange.ts'
import type { Group } from './groups.ts'
import { gatewayRefusal, middlewareRefusal, Refusal } from './replies.ts'
import { type Key, type MockState, type User, userById } from './state.ts'

/** Who calls the gateway. */
export interface Caller {
  key: Key
  user: User
  group: Group
}

/** The key middleware: its checks in its order; `/v1/usage` skips those about money. */
export function checkKey(exchange: Exchange, options: { skipBilling?: boolean } = {}): Caller {
  const { state, query, ip } = exchange
  if (query.has('key') || query.has('api_key')) {
    throw middlewareRefusal(
      400,
      'api_key_in_query_deprecated',
      'API key in query parameter is deprecated. Please use Authorization header instead.',
    )
  }
  const secret = givenKey(exchange)
  if (!secret) {
    throw middlewareRefusal(
      401,
      'API_KEY_REQUIRED',
      'API key is required in Authorization header (Bearer scheme), x-api-key header, or x-goog-api-key header',
    )
  }
  state.secrets.add(secret)
  const key = findKey(state, secret)
  if (!key) throw middlewareRefusal(401, 'INVALID_API_KEY', 'Invalid API key')
  if (key.status === 'inactive' || key.status === 'disabled') {
    throw middlewareRefusal(401, 'API_KEY_DISABLED', 'API key is disabled')
  }
  if (key.ip_blacklist?.includes(ip) || (key.ip_whitelist?.length && !key.ip_whitelist.includes(ip))) {
    throw middlewareRefusal(403, 'ACCESS_DENIED', `Access denied. Your IP is ${ip}`)
  }
  const user = userById(state, key.user_id)
  if (!user) throw middlewareRefusal(401, 'USER_NOT_FOUND', 'User associated with API key not found')
  if (user.status !== 'active') throw middlewareRefusal(401, 'USER_INACTIVE', 'User account is not active')
  const group = groupOf(exchange, key, user)
  key.last_used_at = new Date().toISOString()
  key.last_used_ip = ip
  if (!options.skipBilling) checkMoney(exchange, key, user, group)
  return { key, user, group }
}

/** The key a request shows, by the first of three headers. */
export function givenKey({ req }: Exchange): string {
  const bearer = /^bearer\s+(.*)$/i.exec(req.headers.authorization ?? '')?.[1]
  return (bearer || req.headers['x-api-key'] || req.headers['x-goog-api-key'] || '').toString().trim()
}

export function findKey(state: MockState, secret: string): Key | undefined {
  return state.keys.values().find(key => key.key === secret)
}

function groupOf({ state }: Exchange, key: Key, user: User): Group {
  if (key.group_id === null) {
    throw new Refusal(403, {
      type: 'error',
      error: {
        type: 'permission_error',
        message:
          'API Key is not assigned to any group and cannot be used. Please contact the administrator to assign it to a group.',
      },
    })
  }
  const group = state.groups.get(key.group_id)
  if (!group) throw middlewareRefusal(403, 'GROUP_DELETED', 'API Key 所属分组已删除')
  if (group.status !== 'active') throw middlewareRefusal(403, 'GROUP_DISABLED', 'API Key 所属分组已停用')
  if (group.is_exclusive && !user.groupIds.includes(group.id)) {
    throw middlewareRefusal(403, 'GROUP_NOT_ALLOWED', 'API Key 所属专属分组不再允许当前用户使用')
  }
  return group
}

function checkMoney({ path }: Exchange, key: Key, user: User, group: Group) {
  if (key.status === 'expired' || (key.expires_at && Date.parse(key.expires_at) < Date.now())) {
    throw middlewareRefusal(403, 'API_KEY_EXPIRED', 'API key 已过期')
  }
  if (key.status === 'quota_exhausted' || (key.quota > 0 && key.quota_used >= key.quota)) {
    const message = 'API key 额度已用完'
    if (path.endsWith('/responses')) {
      throw gatewayRefusal(429, 'insufficient_quota', message, { param: null, code: 'insufficient_quota' })
    }
    throw middlewareRefusal(429, 'API_KEY_QUOTA_EXHAUSTED', message)
  }
  if (group.subscription_type === 'subscription') {
    if (user.subscriptionIds.includes(group.id)) return
    throw middlewareRefusal(403, 'SUBSCRIPTION_NOT_FOUND', 'No active subscription found for this group')
  }
  if (user.balance <= 0) throw middlewareRefusal(403, 'INSUFFICIENT_BALANCE', 'Insufficient account balance')
}
