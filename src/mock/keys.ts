import { signedIn } from './auth.ts'
import { type Exchange, fields, text } from './exchange.ts'
import { groupOnTheWire } from './groups.ts'
import { resetsOf } from './key-windows.ts'
import { paginate, panelRefusal, sendData } from './replies.ts'
import { addKey, type Key, keysOf, type MockState, type User, userById } from './state.ts'
import { userOnTheWire } from './user-on-the-wire.ts'

export function listKeys(exchange: Exchange) {
  const { state, query } = exchange
  const user = signedIn(exchange)
  const search = query.get('search')?.toLowerCase() ?? ''
  const status = query.get('status')
  const groupId = query.get('group_id')
  const found = keysOf(state, user)
    .filter(key => key.name.toLowerCase().includes(search))
    .filter(key => !status || key.status === status)
    .filter(key => !groupId || key.group_id === Number(groupId))
    .sort((a, b) => (query.get('sort_order') === 'asc' ? a.id - b.id : b.id - a.id))
  const page = paginate(found, query)
  sendData(exchange.res, { ...page, items: page.items.map(key => withGroup(state, key)) })
}

export function getKey(exchange: Exchange) {
  const { state } = exchange
  const user = signedIn(exchange)
  const key = state.keys.get(Number(exchange.params.id))
  if (!key) throw panelRefusal(404, 'api key not found', 'API_KEY_NOT_FOUND')
  if (key.user_id !== user.id) throw panelRefusal(404, 'API key not found')
  sendData(exchange.res, withUser(state, key))
}

/** Answers 200 and, unlike the others, without the group. */
export function createKey(exchange: Exchange) {
  const { state, res } = exchange
  const user = signedIn(exchange)
  const body = fields(exchange.json)
  const payload = JSON.stringify(body)
  const token = exchange.req.headers['idempotency-key']?.toString()
  if (token !== undefined && !/^[\x21-\x7e]{1,128}$/.test(token)) {
    throw panelRefusal(400, 'idempotency key is invalid', 'IDEMPOTENCY_KEY_INVALID')
  }
  const stored = state.idempotent.get(`${user.id} ${token}`)
  if (stored && stored.payload !== payload) {
    throw panelRefusal(409, 'idempotency key reused with different payload', 'IDEMPOTENCY_KEY_CONFLICT')
  }
  const replay = stored && state.keys.get(stored.keyId)
  if (replay) {
    res.setHeader('X-Idempotency-Replayed', 'true')
    return sendData(res, replay)
  }
  const key = addKey(state, user, wanted(state, user, body))
  if (token !== undefined) state.idempotent.set(`${user.id} ${token}`, { payload, keyId: key.id })
  sendData(res, key)
}

export function updateKey(exchange: Exchange) {
  const { state } = exchange
  const key = ownKey(exchange, signedIn(exchange))
  const body = fields(exchange.json)
  if (typeof body.name === 'string') key.name = escapeHtml(body.name)
  if (typeof body.group_id === 'number') key.group_id = body.group_id
  if (body.status === 'active' || body.status === 'inactive') key.status = body.status
  if (typeof body.quota === 'number') key.quota = body.quota
  if (body.reset_quota === true) key.quota_used = 0
  if (body.reset_rate_limit_usage === true) {
    Object.assign(key, { usage_5h: 0, usage_1d: 0, usage_7d: 0 })
    Object.assign(key, { window_5h_start: null, window_1d_start: null, window_7d_start: null })
  }
  if (typeof body.expires_at === 'string') key.expires_at = body.expires_at || null
  if (Array.isArray(body.ip_whitelist))
    key.ip_whitelist = body.ip_whitelist.length ? body.ip_whitelist.map(String) : null
  if (Array.isArray(body.ip_blacklist))
    key.ip_blacklist = body.ip_blacklist.length ? body.ip_blacklist.map(String) : null
  key.updated_at = new Date().toISOString()
  sendData(exchange.res, withUser(state, key))
}

export function deleteKey(exchange: Exchange) {
  const key = ownKey(exchange, signedIn(exchange))
  exchange.state.keys.delete(key.id)
  sendData(exchange.res, { message: 'API key deleted successfully' })
}

export function availableGroups(exchange: Exchange) {
  const user = signedIn(exchange)
  const bindable = [...exchange.state.groups.values()].filter(group => mayBind(user, group.id, exchange.state))
  sendData(exchange.res, bindable.map(groupOnTheWire))
}

export function groupRates(exchange: Exchange) {
  const { rates } = signedIn(exchange)
  sendData(exchange.res, Object.keys(rates).length ? rates : null)
}

function wanted(state: MockState, user: User, body: Record<string, unknown>): Partial<Key> {
  if (!text(body.name)) {
    throw panelRefusal(
      400,
      "Invalid request: Key: 'CreateAPIKeyRequest.Name' Error:Field validation for 'Name' failed on the 'required' tag",
    )
  }
  const groupId = typeof body.group_id === 'number' ? body.group_id : null
  if (groupId !== null && !state.groups.has(groupId)) throw panelRefusal(404, 'group not found', 'GROUP_NOT_FOUND')
  if (groupId !== null && !mayBind(user, groupId, state)) {
    throw panelRefusal(403, 'user is not allowed to bind this group', 'GROUP_NOT_ALLOWED')
  }
  const custom = text(body.custom_key)
  if (custom && custom.length < 16) {
    throw panelRefusal(400, 'api key must be at least 16 characters', 'API_KEY_TOO_SHORT')
  }
  if (custom && !/^[\w-]+$/.test(custom)) {
    throw panelRefusal(
      400,
      'api key can only contain letters, numbers, underscores, and hyphens',
      'API_KEY_INVALID_CHARS',
    )
  }
  if (custom && state.keys.values().some(key => key.key === custom)) {
    throw panelRefusal(409, 'api key already exists', 'API_KEY_EXISTS')
  }
  const days = typeof body.expires_in_days === 'number' ? body.expires_in_days : 0
  return {
    name: escapeHtml(text(body.name)),
    group_id: groupId,
    ...(custom && { key: custom }),
    ...(typeof body.quota === 'number' && { quota: body.quota }),
    ...(typeof body.rate_limit_5h === 'number' && { rate_limit_5h: body.rate_limit_5h }),
    ...(typeof body.rate_limit_1d === 'number' && { rate_limit_1d: body.rate_limit_1d }),
    ...(typeof body.rate_limit_7d === 'number' && { rate_limit_7d: body.rate_limit_7d }),
    ...(days > 0 && { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() }),
  }
}

function ownKey({ state, params }: Exchange, user: User): Key {
  const key = state.keys.get(Number(params.id))
  if (!key) throw panelRefusal(404, 'api key not found', 'API_KEY_NOT_FOUND')
  if (key.user_id !== user.id) throw panelRefusal(403, 'insufficient permissions', 'INSUFFICIENT_PERMISSIONS')
  return key
}

function mayBind(user: User, groupId: number, state: MockState) {
  const group = state.groups.get(groupId)
  if (group?.status !== 'active' || !user.groupIds.includes(groupId)) return false
  return group.subscription_type === 'standard' || user.subscriptionIds.includes(groupId)
}

function withGroup(state: MockState, key: Key) {
  const group = key.group_id !== null && state.groups.get(key.group_id)
  return { ...key, ...resetsOf(key), ...(group && { group: groupOnTheWire(group) }) }
}

function withUser(state: MockState, key: Key) {
  const user = userById(state, key.user_id)
  return { ...withGroup(state, key), ...(user && { user: userOnTheWire(user) }) }
}

function escapeHtml(name: string) {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' }
  return name.replace(/[&<>"']/g, character => entities[character] ?? character)
}
