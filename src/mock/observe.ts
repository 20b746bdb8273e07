import { seemsToBe } from './auth.ts'
import { type Exchange, fields, text } from './exchange.ts'
import { findKey, givenKey } from './key-check.ts'
import { faultOfPrompt } from './prompt-tags.ts'
import { userById } from './state.ts'

const forwardingHeaders = [
  'cf-connecting-ip',
  'x-real-ip',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'true-client-ip',
  'cookie',
]

/** Enters the request in the ledger and finds out what it is to do wrong. */
export function record(exchange: Exchange, family: 'gateway' | 'panel') {
  const { state, req, res, method, path, ip, userAgent, form } = exchange
  const forwarded = forwardingHeaders.filter(name => req.headers[name] !== undefined)
  const body = form
    ? Object.fromEntries([...form.keys()].map(name => [name, form.getAll(name)]))
    : fields(exchange.json)

  if (family === 'panel') {
    const email = seemsToBe(exchange)?.email ?? (text(body.email).toLowerCase() || null)
    const seen = state.ledger.addPanelCall({ method, path, email, ip, userAgent, forwarded })
    res.once('close', () => {
      seen.status = res.statusCode
    })
    exchange.fault = state.faults.take({ method, path, email, apiKeyId: null, prompt: '' }) ?? {}
    if (state.users.get(email ?? '')?.act === 'slow')
      exchange.fault = { delayMs: state.settings.latencyMs / 3, ...exchange.fault }
    return
  }

  const key = findKey(state, givenKey(exchange)) ?? null
  const user = (key && userById(state, key.user_id)) ?? null
  const one = (name: string) => {
    const value = form ? form.get(name) : body[name]
    return typeof value === 'string' ? value : ''
  }
  const prompt = one('prompt') || lastUserText(body.input)
  exchange.call = state.ledger.addCall({
    method,
    path,
    apiKeyId: key?.id ?? null,
    userId: user?.id ?? null,
    email: user?.email ?? null,
    prompt,
    model: one('model'),
    n: Number(form ? one('n') || 1 : (body.n ?? 1)),
    size: one('size'),
    quality: one('quality'),
    stream: form ? /^(1|t|true)$/i.test(one('stream')) : body.stream === true,
    inputs: form ? [...form.keys()].filter(name => /^image(\[|$)/.test(name)).length : countImages(body),
    hasMask: form ? form.has('mask') : body.mask !== undefined,
    fields: abridged(body) as Record<string, unknown>,
    contentType: req.headers['content-type'] ?? '',
    ip,
    userAgent,
    forwarded,
    requestId: String(res.getHeader('X-Client-Request-ID') ?? ''),
  })
  const subject = { method, path, email: user?.email ?? null, apiKeyId: key?.id ?? null, prompt }
  const queued = state.faults.take(subject)
  // Tags are for people who try the app; the texts of /v1/models and the like have none.
  const tagged = queued ? null : faultOfPrompt(prompt)
  exchange.fault = queued ?? (tagged ? state.faults.own(tagged) : {})
  if (user?.act === 'slow') exchange.fault = { slower: 4, ...exchange.fault }
  state.ledger.changed()
}

/** Closes the call's line in the ledger. */
export function settle({ state, call, res }: Exchange, failure: unknown) {
  if (!call) return
  const reached = call.state === 'running' || call.state === 'held'
  state.ledger.set(call, {
    state: failure ? (reached ? 'failed' : 'refused') : 'done',
    status: res.headersSent ? res.statusCode : null,
    clientGone: call.clientGone || (res.destroyed && !res.writableFinished),
    endedAt: new Date().toISOString(),
  })
}

/** The text of the last message a user wrote, from the input of a response. */
export function lastUserText(input: unknown): string {
  if (typeof input === 'string') return input
  if (!Array.isArray(input)) return ''
  const message = input.map(fields).findLast(item => item.role === 'user')
  if (!message) return ''
  if (typeof message.content === 'string') return message.content
  const parts = Array.isArray(message.content) ? message.content.map(fields) : []
  return parts
    .map(part => text(part.text))
    .filter(Boolean)
    .join('\n')
}

function countImages(body: Record<string, unknown>) {
  if (Array.isArray(body.images)) return body.images.length
  return JSON.stringify(body.input ?? '').split('"input_image"').length - 1
}

/** Fields as sent, with pictures and other long texts named instead of kept. */
function abridged(value: unknown): unknown {
  if (typeof value === 'string') {
    const data = /^data:[^,]{0,80},/.exec(value)?.[0]
    return data && value.length > 300 ? `${data}… (${value.length} characters)` : value
  }
  if (value instanceof Blob) return `${value instanceof File ? value.name : 'blob'} ${value.type} ${value.size} bytes`
  if (Array.isArray(value)) return value.map(abridged)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, abridged(each)]))
}
