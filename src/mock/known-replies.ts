interface KnownReply {
  status: number
  headers?: Record<string, string>
  body: unknown
}

const retryAfter = (seconds: number) => ({ 'Retry-After': String(seconds) })

/** Refusals of the real gateway that a fault can name, word for word. */
export const knownReplies = new Map<string, KnownReply>([
  ['invalid_key', byKeyCheck(401, 'INVALID_API_KEY', 'Invalid API key')],
  ['key_disabled', byKeyCheck(401, 'API_KEY_DISABLED', 'API key is disabled')],
  ['user_inactive', byKeyCheck(401, 'USER_INACTIVE', 'User account is not active')],
  ['access_denied', byKeyCheck(403, 'ACCESS_DENIED', 'Access denied. Your IP is 198.51.100.4')],
  ['group_deleted', byKeyCheck(403, 'GROUP_DELETED', 'API Key 所属分组已删除')],
  ['group_disabled', byKeyCheck(403, 'GROUP_DISABLED', 'API Key 所属分组已停用')],
  ['group_not_allowed', byKeyCheck(403, 'GROUP_NOT_ALLOWED', 'API Key 所属专属分组不再允许当前用户使用')],
  ['subscription', byKeyCheck(403, 'SUBSCRIPTION_NOT_FOUND', 'No active subscription found for this group')],
  ['key_expired', byKeyCheck(403, 'API_KEY_EXPIRED', 'API key 已过期')],
  ['balance', byKeyCheck(403, 'INSUFFICIENT_BALANCE', 'Insufficient account balance')],
  ['key_quota', byKeyCheck(429, 'API_KEY_QUOTA_EXHAUSTED', 'API key 额度已用完')],
  [
    'usage_limit',
    byKeyCheck(429, 'USAGE_LIMIT_EXCEEDED', 'error: code=429 reason=USAGE_LIMIT_EXCEEDED message=daily limit exceeded'),
  ],
  [
    'invalid_auth_limited',
    byKeyCheck(429, 'INVALID_AUTH_RATE_LIMITED', 'Too many invalid authentication attempts; retry later', 60),
  ],
  ['auth_overloaded', byKeyCheck(503, 'API_KEY_AUTH_OVERLOADED', 'API key authentication is overloaded')],
  ['late_balance', byHandler(403, 'billing_error', 'insufficient balance')],
  ['window_5h', byHandler(429, 'rate_limit_exceeded', 'api key 5小时限额已用完')],
  ['platform_quota', byHandler(429, 'rate_limit_exceeded', 'user platform quota exceeded: openai daily limit')],
  ['user_rpm', byHandler(429, 'rate_limit_exceeded', 'user requests-per-minute limit exceeded', 17)],
  ['billing_service', byHandler(503, 'billing_service_error', 'Billing service temporarily unavailable')],
  ['too_many_pending', byHandler(429, 'rate_limit_error', 'Too many pending requests, please retry later')],
  ['concurrency', byHandler(429, 'rate_limit_error', 'Concurrency limit exceeded for user, please retry later')],
  [
    'image_concurrency',
    byHandler(429, 'rate_limit_error', 'Image generation concurrency limit exceeded, please retry later'),
  ],
  ['no_accounts', byHandler(503, 'api_error', 'No available compatible accounts')],
  ['no_accounts_text', byHandler(503, 'api_error', 'Service temporarily unavailable')],
  [
    'model_not_found',
    byHandler(404, 'model_not_found', 'Model "gpt-image-2" is not supported by any configured account in this group'),
  ],
  [
    'accounts_limited',
    byHandler(429, 'rate_limit_error', 'All available accounts are currently rate-limited. Please retry later.'),
  ],
  ['rate_limited', byHandler(429, 'rate_limit_error', 'Upstream rate limit exceeded, please retry later')],
  ['rate_limited_20s', byHandler(429, 'rate_limit_error', 'Upstream rate limit exceeded, please retry later', 20)],
  ['upstream_auth', byHandler(502, 'upstream_error', 'Upstream authentication failed, please contact administrator')],
  ['upstream_forbidden', byHandler(502, 'upstream_error', 'Upstream access forbidden, please contact administrator')],
  ['upstream_overloaded', byHandler(503, 'upstream_error', 'Upstream service overloaded, please retry later')],
  ['upstream_unavailable', byHandler(502, 'upstream_error', 'Upstream service temporarily unavailable')],
  ['upstream_failed', byHandler(502, 'upstream_error', 'Upstream request failed')],
  ['too_large', byHandler(413, 'invalid_request_error', 'Request body too large, limit is 256MB')],
  [
    'moderation',
    {
      status: 400,
      body: {
        error: {
          type: 'image_generation_user_error',
          code: 'moderation_blocked',
          message:
            'Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com and include the request ID req_0f3.',
        },
      },
    },
  ],
  [
    'answered_in_text',
    {
      status: 400,
      body: {
        error: {
          type: 'image_generation_user_error',
          code: 'content_policy_violation',
          message: 'I cannot make that picture, but I can describe a similar scene without it.',
        },
      },
    },
  ],
  ['audit', byHandler(403, 'content_policy_violation', 'Request blocked by the security audit')],
  ['no_images', byHandler(403, 'permission_error', 'Image generation is not enabled for this group')],
  [
    'proxy_502',
    { status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html><h1>502 Bad Gateway</h1></html>' },
  ],
  [
    'proxy_504',
    { status: 504, headers: { 'Content-Type': 'text/html' }, body: '<html><h1>504 Gateway Time-out</h1></html>' },
  ],
  [
    'login_limited',
    {
      status: 429,
      headers: retryAfter(42),
      body: { error: 'rate limit exceeded', message: 'Too many requests, please try again later' },
    },
  ],
  ['panel_limited', byKeyCheck(429, 'RATE_LIMITED', 'Too many requests, please slow down and try again later', 25)],
  ['panel_error', { status: 500, body: { code: 500, message: 'internal error' } }],
  [
    'panel_unavailable',
    { status: 503, body: { code: 503, message: 'service temporarily unavailable', reason: 'SERVICE_UNAVAILABLE' } },
  ],
])

function byKeyCheck(status: number, code: string, message: string, seconds?: number): KnownReply {
  return { status, body: { code, message }, ...(seconds && { headers: retryAfter(seconds) }) }
}

function byHandler(status: number, type: string, message: string, seconds?: number): KnownReply {
  return { status, body: { error: { type, message } }, ...(seconds && { headers: retryAfter(seconds) }) }
}
