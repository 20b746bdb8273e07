import type { Exchange } from './exchange.ts'
import type { Point } from './faults.ts'
import { Refusal } from './replies.ts'

/** The reply ends here, tidily and too early. */
export class StreamEnd extends Error {}

/** A failure in the middle of a call, as the fault describes it. */
export class Failure extends Refusal {
  readonly form: 'service' | 'handler'

  constructor(status: number, error: Record<string, unknown>, form: 'service' | 'handler') {
    super(status, { error })
    this.form = form
  }
}

/** Does what the call's fault wants at this point: stop until released, cut the connection, fail, end early. */
export async function goThrough(exchange: Exchange, point: Point): Promise<void> {
  const { state, fault, call, res } = exchange
  if (fault.hold === point) {
    const before = call?.state
    state.ledger.set(call, { state: 'held' })
    await Promise.race([state.faults.released(fault), closed(state.closing.signal)])
    state.closing.signal.throwIfAborted()
    if (before) state.ledger.set(call, { state: before })
  }
  if (fault.cut === point) {
    state.ledger.set(call, { clientGone: true })
    await flushed(exchange)
    res.socket?.destroy()
  }
  if (fault.error?.at === point) {
    const { type, message, code, param, status, form } = fault.error
    throw new Failure(status, { type, message, ...(code && { code }), ...(param && { param }) }, form)
  }
  if (fault.end === point) throw new StreamEnd()
}

/** Whether the fault strikes at this point. */
export function isStruckAt({ hold, cut, error, end }: Exchange['fault'], point: Point): boolean {
  return [hold, cut, error?.at, end].includes(point)
}

/** Waits until the kernel has what was written, so that a cut happens after it. */
function flushed({ res }: Exchange) {
  const { socket } = res
  if (!socket || socket.destroyed || !res.headersSent) return Promise.resolve()
  return new Promise<void>(resolve => {
    socket.once('close', resolve)
    socket.write('', () => resolve())
  })
}

function closed(signal: AbortSignal) {
  return new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
