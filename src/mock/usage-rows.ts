import { signedIn } from './auth.ts'
import type { Exchange } from './exchange.ts'
import { groupOnTheWire } from './groups.ts'
import { paginate, panelRefusal, sendData } from './replies.ts'
import { type MockState, userById } from './state.ts'
import { userOnTheWire } from './user-on-the-wire.ts'

export interface UsageRow {
  id: number
  user_id: number
  api_key_id: number
  group_id: number | null
  /** `client:` and the X-Client-Request-ID of the call. */
  request_id: string
  model: string
  /** USD before and after the multiplier. */
  total_cost: number
  actual_cost: number
  image_count: number
  created_at: string
  [field: string]: unknown
}

export function listUsage(exchange: Exchange) {
  const { state, query } = exchange
  const user = signedIn(exchange, { heavy: true })
  const keyId = query.get('api_key_id')
  // Rows of a deleted key stay, and are in the list without this filter.
  if (keyId && state.keys.get(Number(keyId))?.user_id !== user.id) {
    throw panelRefusal(404, 'api key not found', 'API_KEY_NOT_FOUND')
  }
  const filters = ['api_key_id', 'group_id', 'model', 'request_type', 'stream', 'billing_type', 'billing_mode']
  const rows = state.usage
    .filter(row => row.user_id === user.id && inDates(row, query))
    .filter(row => filters.every(name => !query.get(name) || String(row[name]) === query.get(name)))
  if (query.get('sort_order') !== 'asc') rows.reverse()
  const page = paginate(rows, query)
  sendData(exchange.res, { ...page, items: page.items.map(row => withCompany(state, row)) })
}

export function getUsage(exchange: Exchange) {
  const user = signedIn(exchange, { heavy: true })
  const row = exchange.state.usage.find(each => each.id === Number(exchange.params.id))
  if (!row || row.user_id !== user.id) throw panelRefusal(404, 'usage log not found', 'USAGE_LOG_NOT_FOUND')
  sendData(exchange.res, row)
}

export function usageStats(exchange: Exchange) {
  const { state, query } = exchange
  const user = signedIn(exchange, { heavy: true })
  const keyId = query.get('api_key_id')
  const rows = state.usage.filter(row => row.user_id === user.id && (!keyId || row.api_key_id === Number(keyId)))
  sendData(exchange.res, {
    total_requests: rows.length,
    total_input_tokens: sum(rows, 'input_tokens'),
    total_output_tokens: sum(rows, 'output_tokens'),
    total_cache_tokens: 0,
    total_cache_creation_tokens: 0,
    total_cache_read_tokens: 0,
    total_tokens: sum(rows, 'input_tokens') + sum(rows, 'output_tokens'),
    total_cost: sum(rows, 'total_cost'),
    total_actual_cost: sum(rows, 'actual_cost'),
    average_duration_ms: rows.length ? sum(rows, 'duration_ms') / rows.length : 0,
  })
}

export function sum(rows: UsageRow[], field: string) {
  return rows.reduce((total, row) => total + Number(row[field] ?? 0), 0)
}

function inDates(row: UsageRow, query: URLSearchParams) {
  const day = row.created_at.slice(0, 10)
  return day >= (query.get('start_date') ?? '') && day <= (query.get('end_date') ?? '9999')
}

/** The list fills in user, group and key – the key with its secret, as the real one does. */
function withCompany(state: MockState, row: UsageRow) {
  const user = userById(state, row.user_id)
  const group = row.group_id !== null && state.groups.get(row.group_id)
  return {
    ...row,
    api_key: state.keys.get(row.api_key_id),
    ...(user && { user: userOnTheWire(user) }),
    ...(group && { group: groupOnTheWire(group) }),
  }
}
