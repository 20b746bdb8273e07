import { z } from 'zod'
import { Secret } from '../secrets/secret.ts'
import { windowEnd, windowNames } from './windows.ts'

// The gateway adds fields with every release and forks drop some: a field that is missing or of another type is
// undefined here, and only what a thing cannot exist without makes the whole thing invalid.
const text = z.string().optional().catch(undefined)
const number = z.number().optional().catch(undefined)
const flag = z.boolean().optional().catch(undefined)
const id = z.number().int()
const optionalId = id.nullish().catch(null)
const texts = z.array(z.string()).optional().catch(undefined)
const time = z
  .string()
  .transform(value => new Date(value))
  .refine(date => !Number.isNaN(date.getTime()))
  .nullish()
  .catch(null)
const secret = z
  .string()
  .min(1)
  .transform(value => new Secret(value))

export const PublicSettings = z
  .object({
    site_name: text,
    turnstile_enabled: flag,
    turnstile_site_key: text,
    tencent_captcha_enabled: flag,
    aliyun_captcha_enabled: flag,
    purchase_subscription_enabled: flag,
    purchase_subscription_url: text,
    balance_low_notify_recharge_url: text,
  })
  .transform(data => ({
    siteName: data.site_name,
    turnstileEnabled: data.turnstile_enabled,
    turnstileSiteKey: data.turnstile_site_key,
    tencentCaptchaEnabled: data.tencent_captcha_enabled,
    aliyunCaptchaEnabled: data.aliyun_captcha_enabled,
    purchaseEnabled: data.purchase_subscription_enabled,
    purchaseUrl: data.purchase_subscription_url,
    rechargeUrl: data.balance_low_notify_recharge_url,
  }))
export type PublicSettings = z.output<typeof PublicSettings>

/** Who signed in: balance in USD; `isAdmin` is the gateway's role `admin`. */
export const GatewayUser = z
  .object({
    id,
    email: z.string().catch(''),
    username: z.string().catch(''),
    role: z.string().catch('user'),
    balance: number,
    status: z.string().catch('active'),
  })
  .transform(user => ({
    id: user.id,
    email: user.email,
    username: user.username,
    role: user.role,
    isAdmin: user.role === 'admin',
    balance: user.balance,
    status: user.status,
  }))
export type GatewayUser = z.output<typeof GatewayUser>

export const Tokens = z
  .object({ access_token: secret, refresh_token: secret.nullish().catch(null), expires_in: number })
  .transform(tokens => ({
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? null,
    expiresAt: tokens.expires_in ? inSeconds(tokens.expires_in) : jwtExpiry(tokens.access_token),
  }))
export type Tokens = z.output<typeof Tokens>

export const SignedIn = z.object({ user: GatewayUser }).and(Tokens)
export const TwoFactorPending = z
  .object({ requires_2fa: z.literal(true), temp_token: secret, user_email_masked: z.string().catch('') })
  .transform(data => ({ tempToken: data.temp_token, maskedEmail: data.user_email_masked }))

/** Prices are USD per picture and tier, null where the gateway's own price holds; `allowImageGeneration` undefined means allowed. */
export const Group = z
  .object({
    id,
    name: z.string().catch(''),
    description: text,
    platform: z.string().catch(''),
    status: text,
    subscription_type: text,
    rate_multiplier: number,
    allow_image_generation: flag,
    image_rate_independent: flag,
    image_rate_multiplier: number,
    image_price_1k: number.nullish(),
    image_price_2k: number.nullish(),
    image_price_4k: number.nullish(),
    rpm_limit: number,
  })
  .transform(group => ({
    id: group.id,
    name: unescapeHtml(group.name),
    description: group.description === undefined ? undefined : unescapeHtml(group.description),
    platform: group.platform,
    status: group.status,
    subscriptionType: group.subscription_type,
    rateMultiplier: group.rate_multiplier,
    allowImageGeneration: group.allow_image_generation,
    imageRateIndependent: group.image_rate_independent,
    imageRateMultiplier: group.image_rate_multiplier,
    imagePrice1k: group.image_price_1k ?? null,
    imagePrice2k: group.image_price_2k ?? null,
    imagePrice4k: group.image_price_4k ?? null,
    rpmLimit: group.rpm_limit,
  }))
export type Group = z.output<typeof Group>

const keyStatuses = ['active', 'inactive', 'disabled', 'quota_exhausted', 'expired', 'unknown'] as const

/** An API key with its secret. `group` is absent in the answer to its creation; quota in USD, 0 is unlimited; `windows`: those with a limit. */
export const ApiKey = z
  .object({
    id,
    key: secret,
    name: z.string().catch(''),
    group_id: optionalId,
    status: z.enum(keyStatuses).catch('unknown'),
    quota: number,
    quota_used: number,
    expires_at: time,
    last_used_at: time,
    created_at: time,
    current_concurrency: number,
    ip_whitelist: texts,
    rate_limit_5h: number,
    rate_limit_1d: number,
    rate_limit_7d: number,
    usage_5h: number,
    usage_1d: number,
    usage_7d: number,
    window_5h_start: time,
    window_1d_start: time,
    window_7d_start: time,
    reset_5h_at: time,
    reset_1d_at: time,
    reset_7d_at: time,
    group: Group.optional().catch(undefined),
  })
  .transform(key => ({
    id: key.id,
    key: key.key,
    name: unescapeHtml(key.name),
    groupId: key.group_id ?? null,
    status: key.status,
    quota: key.quota,
    quotaUsed: key.quota_used,
    expiresAt: key.expires_at ?? null,
    lastUsedAt: key.last_used_at ?? null,
    createdAt: key.created_at ?? null,
    currentConcurrency: key.current_concurrency,
    hasIpList: (key.ip_whitelist ?? []).length > 0,
    windows: windowNames.flatMap(window => {
      const limit = key[`rate_limit_${window}`] ?? 0
      if (limit <= 0) return []
      const start = key[`window_${window}_start`]
      const resetsAt = key[`reset_${window}_at`] ?? (start ? windowEnd(window, start) : null)
      // The gateway empties a window at the next call after its end: until then it tells what was used in the last one.
      const isOver = resetsAt !== null && resetsAt <= new Date()
      return [{ window, limit, used: isOver ? 0 : (key[`usage_${window}`] ?? 0), resetsAt: isOver ? null : resetsAt }]
    }),
    group: key.group,
  }))
export type ApiKey = z.output<typeof ApiKey>

/** One billed call. `actualCost` is what was charged, in USD; `requestId` without the gateway's prefix. */
export const Usage = z
  .object({
    id,
    api_key_id: optionalId,
    request_id: z.string().catch(''),
    model: z.string().catch(''),
    actual_cost: number,
    rate_multiplier: number,
    billing_mode: text,
    image_size: text,
    image_count: number,
    created_at: time,
  })
  .transform(row => ({
    id: row.id,
    keyId: row.api_key_id ?? null,
    requestId: row.request_id.replace(/^client:/, ''),
    model: row.model,
    actualCost: row.actual_cost ?? 0,
    rate: row.rate_multiplier ?? null,
    billedBy:
      row.billing_mode === 'token' ? ('tokens' as const) : row.billing_mode === 'image' ? ('picture' as const) : null,
    /** By what a picture was priced, and how many were; null and 0 where tokens are billed. */
    tier: row.image_size || null,
    count: row.image_count ?? null,
    createdAt: row.created_at ?? null,
  }))
export type Usage = z.output<typeof Usage>

/** A page of a list; entries that do not parse are left out rather than losing the list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(z.unknown()).nullish(), pages: number, total: number }).transform(page => ({
    items: listOf(item).parse(page.items ?? []),
    size: (page.items ?? []).length,
    pages: page.pages ?? 1,
  }))
}

export function listOf<T extends z.ZodType>(item: T) {
  return z.array(z.unknown()).transform(items =>
    items.flatMap((entry): z.output<T>[] => {
      const parsed = item.safeParse(entry)
      return parsed.success ? [parsed.data] : []
    }),
  )
}

/** `{ "<group id>": multiplier }`, or nothing at all when the user has no rate of their own. */
export const GroupRates = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform(rates => {
    const entries = Object.entries(rates ?? {}).map(([key, rate]) => [Number(key), rate] as const)
    return new Map(
      entries.filter((entry): entry is [number, number] => Number.isInteger(entry[0]) && Number.isFinite(entry[1])),
    )
  })

export const ModelList = z
  .object({ data: listOf(z.object({ id: z.string().min(1) })) })
  .transform(list => [...new Set(list.data.map(model => model.id))])

const cautiousLifetime = 15 * 60
const longestLifetime = 365 * 86_400

/** The `exp` claim (RFC 7519 §4.1.4), read without trusting it: only used to refresh in time. */
/** As the token says of itself; soon where it says nothing. */
export function jwtExpiry(token: Secret): Date {
  try {
    const claims = JSON.parse(Buffer.from(token.reveal().split('.')[1] ?? '', 'base64url').toString()) as {
      exp?: unknown
    }
    if (typeof claims.exp === 'number') return inSeconds(claims.exp - Date.now() / 1000)
  } catch {
    // Not a JWT: some forks use opaque tokens.
  }
  return inSeconds(cautiousLifetime)
}

/** At most a year away: a number of any size may come, and not every one makes a date. */
function inSeconds(seconds: number): Date {
  return new Date(Date.now() + Math.max(0, Math.min(seconds, longestLifetime)) * 1000)
}

const entities: Record<string, string> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&#34;': '"',
  '&#39;': "'",
  '&quot;': '"',
}

/** The gateway stores names escaped for HTML (Go's html.EscapeString); our templates escape by themselves. */
function unescapeHtml(value: string): string {
  return value.replace(/&(?:lt|gt|amp|quot|#34|#39);/g, entity => entities[entity] ?? entity)
}
