import type { Exchange } from './exchange.ts'
import type { Group } from './groups.ts'
import type { Caller } from './key-check.ts'
import { countInWindows, usedUpWindow } from './key-windows.ts'
import { gatewayRefusal, goTime } from './replies.ts'
import type { MockState, User } from './state.ts'
import type { UsageRow } from './usage-rows.ts'

type Tier = '1K' | '2K' | '4K'

/** USD per picture of gpt-image-2 when neither group nor channel has a price. */
const defaultPrices = { '1K': 0.134, '2K': 0.201, '4K': 0.268 }
const groupPrices = { '1K': 'image_price_1k', '2K': 'image_price_2k', '4K': 'image_price_4k' } as const

interface Bill {
  model: string
  stream: boolean
  startedAt: number
  /** What was made: sizes as the gateway read them from the upstream's reply, empty where it found none. */
  pictures?: { count: number; sizes: string[]; asked: string }
  inputTokens: number
  /** Of pictures sent along. */
  imageInputTokens?: number
  outputTokens: number
}

/** USD per million tokens: text in, pictures in, and what comes out. */
const pictureTokenPrices = { text: 5, image: 8, output: 30 }
const textTokenPrices = { input: 1.25, output: 10 }

/** The tier of a size by its longest edge; what cannot be read counts as 2K. */
export function tierOf(size: string): Tier {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(size) ?? []
  const edge = Math.max(Number(width), Number(height))
  if (Number.isNaN(edge)) return '2K'
  return edge <= 1024 ? '1K' : edge <= 2048 ? '2K' : '4K'
}

/** USD for `count` pictures: the price of the tier times the multiplier that applies to this user and group. */
function priceOf(group: Group, rate: number, tier: Tier, count: number) {
  const unit = group[groupPrices[tier]] ?? defaultPrices[tier]
  const multiplier = group.image_rate_independent ? group.image_rate_multiplier : rate
  return { total: unit * count, actual: round(unit * count * multiplier), multiplier }
}

/** The second check, made after a slot was won. */
export function checkMoneyAgain({ user, key, group }: Caller) {
  const usedUp = usedUpWindow(key)
  if (usedUp) throw gatewayRefusal(429, 'rate_limit_exceeded', usedUp)
  if (group.subscription_type === 'subscription') return
  if (user.balance <= 0 || user.act === 'late') throw gatewayRefusal(403, 'billing_error', 'insufficient balance')
}

/** Charges a call: balance, quota and usage row, at once or after the delay of the settings. */
export function charge({ state, life, call, fault, ip, userAgent, path }: Exchange, caller: Caller, bill: Bill) {
  // Killed meanwhile: what it had not written it never writes.
  if (life !== state.life) return
  const { user, key, group } = caller
  const { pictures } = bill
  // An edit streamed through an API-key account is not recognised as pictures and is billed by tokens.
  const uncounted = group.flavour === 'api_key' && bill.stream && path.endsWith('/edits')
  const byImage = pictures && !uncounted
  const reported = pictures?.sizes.filter(size => size) ?? []
  const tier = fault.bill?.tier ?? highest(reported.length ? reported : [pictures?.asked ?? ''])
  const count = fault.bill?.count ?? pictures?.count ?? 0
  const rate = rateOf(state, group, user)
  const price = byImage
    ? priceOf(group, rate, tier, count)
    : { total: tokenCost(bill), actual: round(tokenCost(bill) * rate), multiplier: rate }

  const row: UsageRow = {
    id: 1000 + state.nextId++,
    user_id: user.id,
    api_key_id: key.id,
    account_id: 1,
    request_id: `client:${call?.requestId}`,
    model: bill.model,
    inbound_endpoint: path,
    group_id: group.id,
    subscription_id: group.subscription_type === 'subscription' ? group.id : null,
    input_tokens: bill.inputTokens,
    output_tokens: bill.outputTokens,
    cache_creation_tokens: 0,
    cache_read_tokens: 0,
    cache_creation_5m_tokens: 0,
    cache_creation_1h_tokens: 0,
    input_cost: 0,
    output_cost: 0,
    cache_creation_cost: 0,
    cache_read_cost: 0,
    total_cost: price.total,
    actual_cost: price.actual,
    rate_multiplier: price.multiplier,
    long_context_billing_applied: false,
    billing_type: group.subscription_type === 'subscription' ? 1 : 0,
    request_type: bill.stream ? 'stream' : 'sync',
    stream: bill.stream,
    openai_ws_mode: false,
    duration_ms: Math.round(performance.now() - bill.startedAt),
    first_token_ms: null,
    image_count: byImage ? count : 0,
    image_size: byImage ? tier : null,
    image_input_size: pictures?.asked || null,
    image_output_size: reported[0] ?? null,
    image_input_tokens: bill.imageInputTokens ?? 0,
    image_output_tokens: pictures ? bill.outputTokens : 0,
    image_input_cost: 0,
    image_output_cost: 0,
    image_size_source: !byImage ? null : reported.length ? 'output' : pictures.asked ? 'input' : 'default',
    image_size_breakdown: byImage ? { [tier]: count } : null,
    media_type: pictures ? 'image' : null,
    user_agent: userAgent,
    ip_address: ip,
    cache_ttl_overridden: false,
    billing_mode: byImage ? 'image' : 'token',
    created_at: '',
  }

  state.ledger.set(call, { images: pictures?.count ?? 0, billed: price.actual })
  function book() {
    if (life !== state.life) return
    row.created_at = goTime(new Date())
    if (row.billing_type === 0) user.balance = round(user.balance - price.actual)
    key.quota_used = round(key.quota_used + price.actual)
    countInWindows(key, price.actual)
    if (key.quota > 0 && key.quota_used >= key.quota) key.status = 'quota_exhausted'
    if (fault.noUsage) return
    state.usage.push(row)
    if (state.usage.length > 20_000) state.usage.shift()
  }
  if (state.settings.usageDelayMs === 0) book()
  else setTimeout(book, state.settings.usageDelayMs).unref()
}

function tokenCost({ pictures, inputTokens, imageInputTokens = 0, outputTokens }: Bill) {
  const { text, image, output } = pictureTokenPrices
  const micros = pictures
    ? inputTokens * text + imageInputTokens * image + outputTokens * output
    : inputTokens * textTokenPrices.input + outputTokens * textTokenPrices.output
  return micros / 1e6
}

/** The user's own rate, or the group's; what the gateway has read it keeps for a while. */
function rateOf(state: MockState, group: Group, user: User) {
  const name = `${user.id} ${group.id}`
  const known = state.rates.get(name)
  if (known && Date.now() < known.until) return known.rate
  const rate = user.rates[group.id] ?? group.rate_multiplier
  state.rates.set(name, { rate, until: Date.now() + state.settings.rateCacheMs })
  return rate
}

function highest(sizes: string[]): Tier {
  const tiers = sizes.map(tierOf)
  return tiers.includes('4K') ? '4K' : tiers.includes('2K') ? '2K' : '1K'
}

/** Sums of money stay readable: no 12.366000000000001. */
function round(usd: number) {
  return Math.round(usd * 1e10) / 1e10
}
