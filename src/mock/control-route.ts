import { createControl } from './control.ts'
import { type Exchange, fields, text } from './exchange.ts'
import type { FaultInput } from './faults.ts'
import type { CallFilter } from './ledger.ts'
import { readBody } from './read-body.ts'
import { panelRefusal, send, sendJson } from './replies.ts'

/** `/__mock/…`: only the mock has it. Not for browsers: a page elsewhere must not steer somebody's mock. */
export async function controlRoute(exchange: Exchange) {
  const { req, res, state, method, path } = exchange
  const hosted = state.hosted.get(path)
  if (hosted && hosted.refusals-- > 0) return send(res, 503, 'text/plain', Buffer.from('not yet'))
  if (hosted) return send(res, 200, hosted.contentType, hosted.bytes)
  if (req.headers.origin) throw panelRefusal(403, 'The control route is not for browsers')
  await readBody(exchange)
  const control = createControl(state)
  const body = fields(exchange.json)
  const name = path.slice('/__mock/'.length)
  const query = Object.fromEntries(exchange.query)

  switch (`${method} ${name}`) {
    case 'GET calls':
      return sendJson(res, 200, control.calls(query as CallFilter))
    case 'GET totals':
      return sendJson(res, 200, state.ledger.totals)
    case 'GET panel-calls':
      return sendJson(res, 200, control.panelCalls(query))
    case 'GET secrets':
      return sendJson(res, 200, control.secrets())
    case 'GET settings':
      return sendJson(res, 200, state.settings)
    case 'GET faults':
      return sendJson(res, 200, state.faults.waiting())
    case 'POST faults':
      return sendJson(res, 200, { id: attempt(() => control.fault(body as FaultInput)) })
    case 'DELETE faults':
      control.clearFaults()
      break
    case 'POST release':
      control.release(typeof body.id === 'number' ? body.id : undefined)
      break
    case 'POST wait': {
      const { count, timeoutMs, ...filter } = body
      const wait = control.waitForCalls(Number(count ?? 1), filter, Number(timeoutMs ?? 20_000))
      return sendJson(res, 200, await wait.catch((error: Error) => Promise.reject(panelRefusal(504, error.message))))
    }
    case 'POST settings':
      control.set(body)
      break
    case 'POST user':
      return sendJson(res, 200, { ...control.user(text(body.email), body), accessTokens: undefined })
    case 'POST key':
      if (text(body.email)) {
        const { email: _email, ...rest } = body
        return sendJson(res, 200, control.addKey(text(body.email), rest))
      }
      return sendJson(
        res,
        200,
        attempt(() => control.key(Number(body.id), body)),
      )
    case 'POST group':
      return sendJson(
        res,
        200,
        attempt(() => control.group(Number(body.id), body)),
      )
    case 'POST revoke-refresh-tokens':
      control.revokeRefreshTokens(text(body.email))
      break
    case 'POST expire-access-tokens':
      control.expireAccessTokens(text(body.email))
      break
    case 'POST clear':
      control.clear()
      break
    default:
      return send(res, 404, 'text/plain', '404 page not found')
  }
  sendJson(res, 200, {})
}

function attempt<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw panelRefusal(400, error instanceof Error ? error.message : String(error))
  }
}
