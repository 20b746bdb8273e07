import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'

/**
 * What is passed on of a request. By list, since a gateway may believe any name that its operator chose to tell it where
 * somebody comes from; and cookies here are ours.
 */
const ofRequests =
  /^(accept|accept-(charset|encoding|language)|access-control-request-.+|authorization|cache-control|chatgpt-account-id|content-(disposition|encoding|language|type)|conversation[-_]id|date|if-.+|origin|originator|pragma|range|session[-_]id|thread[-_]id|traceparent|tracestate|user-agent|version|x-(api-key|app|request-id|client-request-id|requested-with|admin-ui-request|user-ui-request)|(idempotency|openai|anthropic|x-goog|x-stainless|x-codex|x-openai)-.+)$/

/** And of an answer: nothing that would be kept in a browser, or hold, for all of this site. */
const ofAnswers =
  /^(accept-ranges|access-control-.+|age|allow|cache-control|content-(disposition|encoding|language|location|md5|range|type)|date|etag|expires|last-modified|location|pragma|retry-after|server-timing|vary|www-authenticate|(openai|anthropic)-.+|x-(request-id|client-request-id|idempotency-replayed|reasoning-included|should-retry|(codex|goog|openai|ratelimit)-.+))$/

export interface Sender {
  address: string
  /** How they reach this app, and where; null: wherever they like. */
  protocol: string
  host: string | null
  requestId: string
}

/** The headers for the gateway: the caller's own, and what we say of the caller. Framing is that of the body that came. */
export function requestHeaders(headers: IncomingHttpHeaders, method: string, sender: Sender): OutgoingHttpHeaders {
  return {
    'x-request-id': sender.requestId,
    ...listed(headers, ofRequests),
    'x-real-ip': sender.address,
    'x-forwarded-for': sender.address,
    'x-forwarded-proto': sender.protocol,
    ...(sender.host && { 'x-forwarded-host': sender.host }),
    via: VIA,
    ...framing(),
  }

  function framing(): OutgoingHttpHeaders {
    if (headers['transfer-encoding'] !== undefined) return { 'transfer-encoding': 'chunked' }
    if (hasBody(headers)) return { 'content-length': headers['content-length'] }
    return method === 'GET' || method === 'HEAD' ? {} : { 'content-length': '0' }
  }
}

export function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined
}

/** By which a gateway that is in truth this app again is known, before it asks itself for ever. */
const VIA = '1.1 sub2api-playground'

export function wentInCircle(headers: IncomingHttpHeaders): boolean {
  return headers.via?.includes(VIA) ?? false
}

/**
 * The headers for the caller. Whatever the gateway sends is no page of this site: shown in a browser it runs nothing and
 * belongs to no origin.
 */
export function answerHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const { 'content-length': length } = headers
  return {
    ...listed(headers, ofAnswers),
    ...(length !== undefined && headers['transfer-encoding'] === undefined && { 'content-length': length }),
    ...(headers['content-type']?.startsWith('text/event-stream') && { 'x-accel-buffering': 'no' }),
    'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
  }
}

/** Without those that hold for one connection only, which `Connection` names (RFC 9110 §7.6.1). */
function listed(headers: IncomingHttpHeaders, list: RegExp): OutgoingHttpHeaders {
  const named = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map(name => name.trim())
  return Object.fromEntries(Object.entries(headers).filter(([name]) => list.test(name) && !named.includes(name)))
}
