import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Charged, type FailureReason, GatewayError } from './errors.ts'
import { retryAt } from './refusals.ts'
import { apiKey, gather, scriptedServer } from './scripted-server.ts'

/** Real answers of the gateway (0.1.179), of relays and of proxies before it: status, body, reason, charged, may retry, field. */
type Row = [status: number, body: unknown, reason: FailureReason, charged: Charged, mayRetry: boolean, field?: string]

const key = (code: string, message = '') => ({ code, message })
const handler = (type: string, message: string, more = {}) => ({ error: { type, message, ...more } })
const nginx = (title: string) =>
  `<html>\r\n<head><title>${title}</title></head>\r\n<body><center><h1>${title}</h1></center></body></html>`

const rows: Row[] = [
  [
    401,
    key('API_KEY_REQUIRED', 'API key is required in Authorization header (Bearer scheme)'),
    'key_invalid',
    'no',
    false,
  ],
  [401, key('INVALID_API_KEY', 'Invalid API key'), 'key_invalid', 'no', false],
  [401, key('API_KEY_DISABLED', 'API key is disabled'), 'key_invalid', 'no', false],
  [401, key('USER_NOT_FOUND'), 'key_invalid', 'no', false],
  [401, key('USER_INACTIVE'), 'key_invalid', 'no', false],
  [403, key('ACCESS_DENIED', 'Access denied. Your IP is 203.0.113.9'), 'ip_denied', 'no', false],
  [403, key('GROUP_DELETED', 'API Key 所属分组已删除'), 'group_no_images', 'no', false],
  [403, key('GROUP_DISABLED', 'API Key 所属分组已停用'), 'group_no_images', 'no', false],
  [403, key('GROUP_NOT_ALLOWED', 'API Key 所属专属分组不再允许当前用户使用'), 'group_no_images', 'no', false],
  [403, key('SUBSCRIPTION_NOT_FOUND', 'No active subscription found for this group'), 'subscription', 'no', false],
  [403, key('SUBSCRIPTION_INVALID', 'error: code=403 reason=SUBSCRIPTION_EXPIRED'), 'subscription', 'no', false],
  [403, key('API_KEY_EXPIRED', 'API key 已过期'), 'key_expired', 'no', false],
  [403, key('INSUFFICIENT_BALANCE', 'Insufficient account balance'), 'insufficient_balance', 'no', false],
  [429, key('API_KEY_QUOTA_EXHAUSTED', 'API key 额度已用完'), 'key_quota', 'no', false],
  [
    429,
    handler('insufficient_quota', 'API key 额度已用完', { param: null, code: 'insufficient_quota' }),
    'key_quota',
    'no',
    false,
  ],
  [429, key('USAGE_LIMIT_EXCEEDED', 'error: code=429 reason=DAILY_LIMIT_EXCEEDED'), 'subscription', 'no', false],
  [
    429,
    key('INVALID_AUTH_RATE_LIMITED', 'Too many invalid authentication attempts; retry later'),
    'rate_limited',
    'no',
    true,
  ],
  [503, key('API_KEY_AUTH_OVERLOADED'), 'gateway_down', 'no', true],
  [500, key('INTERNAL_ERROR', 'Failed to validate API key'), 'gateway_down', 'no', false],
  [400, key('api_key_in_query_deprecated', 'API key in query parameter is deprecated.'), 'bad_request', 'no', false],
  [
    403,
    { type: 'error', ...handler('permission_error', 'API Key is not assigned to any group and cannot be used.') },
    'group_no_images',
    'no',
    false,
  ],
  [403, handler('billing_error', 'insufficient balance'), 'insufficient_balance', 'no', false],
  [429, handler('rate_limit_exceeded', 'api key 5小时限额已用完'), 'key_quota', 'no', false],
  [429, handler('rate_limit_exceeded', 'api key 日限额已用完'), 'key_quota', 'no', false],
  [429, handler('rate_limit_exceeded', 'api key 7天限额已用完'), 'key_quota', 'no', false],
  [429, handler('rate_limit_exceeded', 'group requests-per-minute limit exceeded'), 'rate_limited', 'no', true],
  [429, handler('rate_limit_exceeded', 'user requests-per-minute limit exceeded'), 'rate_limited', 'no', true],
  [503, handler('billing_service_error', 'Billing service temporarily unavailable'), 'gateway_down', 'no', true],
  [429, handler('rate_limit_error', 'Too many pending requests, please retry later'), 'concurrency', 'no', true],
  [
    429,
    handler('rate_limit_error', 'Concurrency limit exceeded for user, please retry later'),
    'concurrency',
    'no',
    true,
  ],
  [
    429,
    handler('rate_limit_error', 'Concurrency limit exceeded for account, please retry later'),
    'concurrency',
    'no',
    true,
  ],
  [
    429,
    handler('rate_limit_error', 'Image generation concurrency limit exceeded, please retry later'),
    'concurrency',
    'no',
    true,
  ],
  [503, handler('api_error', 'No available compatible accounts'), 'no_account', 'no', true],
  [503, handler('api_error', 'Service temporarily unavailable'), 'no_account', 'no', true],
  [
    404,
    handler('model_not_found', 'Model "x" is not supported by any configured account in this group'),
    'bad_request',
    'no',
    false,
    'model',
  ],
  [
    429,
    handler('rate_limit_error', 'All available accounts are currently rate-limited. Please retry later.'),
    'rate_limited',
    'no',
    true,
  ],
  [
    502,
    handler('upstream_error', 'Upstream authentication failed, please contact administrator'),
    'upstream',
    'no',
    false,
  ],
  [502, handler('upstream_error', 'Upstream access forbidden, please contact administrator'), 'upstream', 'no', false],
  [429, handler('rate_limit_error', 'Upstream rate limit exceeded, please retry later'), 'rate_limited', 'no', true],
  [503, handler('upstream_error', 'Upstream service overloaded, please retry later'), 'upstream', 'no', true],
  [502, handler('upstream_error', 'Upstream service temporarily unavailable'), 'upstream', 'no', false],
  [502, handler('upstream_error', 'Upstream request failed'), 'upstream', 'no', false],
  [500, handler('upstream_error', 'Upstream gateway error'), 'upstream', 'no', false],
  [413, handler('invalid_request_error', 'Request body too large, limit is 256MB'), 'bad_request', 'no', false],
  [403, handler('content_policy_violation', 'blocked by the audit'), 'content_policy', 'no', false],
  [403, handler('permission_error', 'blocked', { code: 'prompt_audit_blocked' }), 'content_policy', 'no', false],
  [404, handler('not_found_error', 'Images API is not supported for this platform'), 'group_no_images', 'no', false],
  [403, handler('permission_error', 'Image generation is not enabled for this group'), 'group_no_images', 'no', false],
  [400, handler('invalid_request_error', 'n must be greater than 0'), 'bad_request', 'no', false, 'n'],
  [
    400,
    handler('invalid_request_error', 'invalid output_compression field type'),
    'bad_request',
    'no',
    false,
    'output_compression',
  ],
  [
    400,
    handler('invalid_request_error', 'images endpoint requires an image model, got "gpt-5"'),
    'bad_request',
    'no',
    false,
    'model',
  ],
  [400, handler('invalid_request_error', 'Request body is empty'), 'bad_request', 'no', false],
  [
    400,
    handler('invalid_request_error', "Invalid value: '17x17'.", { param: 'size', code: 'invalid_value' }),
    'bad_request',
    'no',
    false,
    'size',
  ],
  [
    400,
    handler('image_generation_user_error', 'Your request was rejected by the safety system.', {
      code: 'moderation_blocked',
    }),
    'content_policy',
    'no',
    false,
  ],
  [
    400,
    handler('image_generation_user_error', 'I cannot draw that.', { code: 'content_policy_violation' }),
    'content_policy',
    'no',
    false,
  ],
  [
    400,
    handler('image_generation_user_error', 'content_filter', { code: 'response_incomplete' }),
    'content_policy',
    'no',
    false,
  ],
  [502, handler('incomplete_error', 'max_output_tokens', { code: 'response_incomplete' }), 'upstream', 'no', false],
  [
    400,
    handler('invalid_request_error', 'Billing hard limit has been reached', { code: 'billing_hard_limit_reached' }),
    'upstream',
    'no',
    false,
  ],
  // Behind whitespace or inside JSON that came with status 200.
  [200, handler('upstream_error', 'upstream did not return image output'), 'upstream', 'no', false],
  [
    200,
    handler('rate_limit_error', 'Concurrency limit exceeded for user, please retry later'),
    'concurrency',
    'no',
    true,
  ],
  [200, { error: { message: 'something' } }, 'upstream', 'unknown', false],
  // Not the gateway's words: below 500 the request never passed the proxy, from 500 on nobody knows.
  [500, { code: 500, message: 'internal error' }, 'upstream', 'unknown', false],
  [404, '404 page not found', 'gateway_down', 'no', false],
  [403, nginx('403 Forbidden'), 'gateway_down', 'no', false],
  [413, nginx('413 Request Entity Too Large'), 'bad_request', 'no', false],
  [429, nginx('429 Too Many Requests'), 'rate_limited', 'no', true],
  [408, nginx('408 Request Time-out'), 'timeout', 'unknown', false],
  [502, nginx('502 Bad Gateway'), 'gateway_down', 'unknown', false],
  [503, nginx('503 Service Temporarily Unavailable'), 'gateway_down', 'unknown', false],
  [504, nginx('504 Gateway Time-out'), 'timeout', 'unknown', false],
  [524, 'error code: 524', 'timeout', 'unknown', false],
  [301, nginx('301 Moved Permanently'), 'gateway_down', 'no', false],
]

for (const [status, body, reason, charged, mayRetry, field] of rows) {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  test(`${status} ${text.replace(/\s+/g, ' ').slice(0, 110)} is ${reason}, charged: ${charged}`, async t => {
    const { gateway } = await scriptedServer(t, (_req, res) => {
      res.writeHead(status, { 'x-client-request-id': 'id-1' }).end(text)
    })
    const { error } = await gather(gateway, { stream: false })
    assert.ok(error instanceof GatewayError)
    const { facts } = error
    assert.deepEqual([error.reason, facts.charged, facts.mayRetry, facts.field], [reason, charged, mayRetry, field])
    assert.deepEqual([facts.status, facts.requestId], [status, 'id-1'])
  })
}

test('Retry-After may be seconds or a date, and nothing else', () => {
  const now = Date.parse('2026-08-21T00:00:00Z')
  assert.deepEqual(retryAt('30', now), new Date(now + 30_000))
  assert.deepEqual(retryAt('Fri, 21 Aug 2026 00:01:00 GMT', now), new Date(now + 60_000))
  assert.deepEqual(retryAt('999999999', now), new Date(now + 86_400_000))
  for (const header of ['', '0', '-5', 'soon', 'Thu, 20 Aug 2026 00:00:00 GMT'])
    assert.equal(retryAt(header, now), undefined)
})

test('the detail of a refusal has no credential in it', async t => {
  const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl'
  const { gateway } = await scriptedServer(t, (req, res) => {
    const message = `bad ${req.headers.authorization}; sk-proj-abcd1234; rt_${'ab'.repeat(32)}; ${jwt}; \u0000${'x'.repeat(5000)}`
    res.writeHead(400).end(JSON.stringify(handler('invalid_request_error', message)))
  })
  const { error } = await gather(gateway)
  assert.ok(error instanceof GatewayError)
  const detail = error.facts.detail ?? ''
  assert.match(detail, /^bad Bearer \[secret\]; \[secret\]; \[secret\]; \[secret\];/)
  assert.ok(!detail.includes(apiKey.reveal()) && !detail.includes('\u0000') && detail.length === 2000)
})
