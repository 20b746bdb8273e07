import type { Exchange } from './exchange.ts'
import type { Group } from './groups.ts'
import { checkKey } from './key-check.ts'
import { gatewayRefusal, sendJson } from './replies.ts'
import { sum } from './usage-rows.ts'

const models: [id: string, name: string, created: number][] = [
  ['gpt-5.6-sol', 'GPT-5.6 Sol', 1780876800],
  ['gpt-5.6', 'GPT-5.6 (Sol)', 1780876800],
  ['gpt-5.6-terra', 'GPT-5.6 Terra', 1780876800],
  ['gpt-5.6-luna', 'GPT-5.6 Luna', 1780876800],
  ['gpt-5.5', 'GPT-5.5', 1776873600],
  ['gpt-5.4', 'GPT-5.4', 1738368000],
  ['gpt-5.4-mini', 'GPT-5.4 Mini', 1738368000],
  ['gpt-5.3-codex-spark', 'GPT-5.3 Codex Spark', 1735689600],
  ['codex-auto-review', 'Codex Auto Review', 1776902400],
  ['gpt-5.2', 'GPT-5.2', 1733875200],
  ['gpt-image-1', 'GPT Image 1', 1733875200],
  ['gpt-image-1.5', 'GPT Image 1.5', 1735689600],
  ['gpt-image-2', 'GPT Image 2', 1738368000],
]

/** The list of models, in one of the three shapes the gateway has for it. */
export function listModels(exchange: Exchange) {
  const { state, res } = exchange
  const { group } = checkKey(exchange)
  if (state.settings.models === 'mapped' || group.models) {
    const mapped = group.models ?? ['gpt-image-*', 'gpt-5.5', 'gpt-image-2', 'gpt-5.4-mini']
    const items = mapped.map(id => ({ id, type: 'model', display_name: id, created_at: '2024-01-01T00:00:00Z' }))
    return sendJson(res, 200, { object: 'list', data: items })
  }
  const own = state.settings.models === 'own'
  const data = models
    .filter(([id]) => !own || id === 'gpt-5.5' || id === 'gpt-image-2')
    .map(([id, name, created]) => ({
      id,
      object: 'model',
      created: own ? 1704067200 : created,
      owned_by: 'openai',
      type: 'model',
      display_name: name,
    }))
  sendJson(res, 200, { object: 'list', data })
}

/** What a key has used; works with an empty balance too. */
export function keyUsage(exchange: Exchange) {
  const { state, query, res } = exchange
  const { key, user, group } = checkKey(exchange, { skipBilling: true })
  const days = query.get('days')
  if (days !== null && !(Number(days) >= 1 && Number(days) <= 90)) {
    const message = 'Invalid days, allowed range is 1-90'
    return sendJson(res, 400, { error: { type: 'invalid_request_error', message } })
  }
  const rows = state.usage.filter(row => row.api_key_id === key.id)
  const total = {
    requests: rows.length,
    input_tokens: sum(rows, 'input_tokens'),
    output_tokens: sum(rows, 'output_tokens'),
    cache_creation_tokens: 0,
    cache_read_tokens: 0,
    total_tokens: sum(rows, 'input_tokens') + sum(rows, 'output_tokens'),
    cost: sum(rows, 'total_cost'),
    actual_cost: sum(rows, 'actual_cost'),
  }
  const usage = { today: total, total, average_duration_ms: 0, rpm: 0, tpm: 0 }
  const shared = { isValid: key.status === 'active', unit: 'USD', usage, daily_usage: [], model_stats: [] }
  if (key.quota > 0) {
    const remaining = Math.max(0, key.quota - key.quota_used)
    const quota = { limit: key.quota, used: key.quota_used, remaining, unit: 'USD' }
    return sendJson(res, 200, { mode: 'quota_limited', status: key.status, quota, remaining, ...shared })
  }
  if (group.subscription_type === 'subscription') {
    return sendJson(res, 200, { mode: 'unrestricted', planName: group.name, subscription: {}, ...shared })
  }
  const money = { remaining: user.balance, balance: user.balance }
  sendJson(res, 200, { mode: 'unrestricted', planName: '钱包余额', ...money, ...shared })
}

/** Throws the 404 of a group none of whose accounts maps the model. */
export function checkMapped(group: Group, model: string) {
  if (!group.models || group.models.includes(model)) return
  const message = `Model "${model}" is not supported by any configured account in this group`
  throw gatewayRefusal(404, 'model_not_found', message)
}
