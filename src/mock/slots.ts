import type { Caller } from './key-check.ts'
import { gatewayRefusal } from './replies.ts'
import type { MockState } from './state.ts'

/**
 * Takes one of the user's slots, waiting for it when all are in use; `whileWaiting` runs once the wait begins.
 * Returns the function that gives the slot back. Throws the 429 of a full queue or of a wait that took too long.
 */
export async function takeSlot(state: MockState, { user, key }: Caller, whileWaiting: () => void) {
  const slots = state.slots.get(user.id) ?? { running: 0, waiting: [] }
  state.slots.set(user.id, slots)
  if (slots.running >= user.concurrency) {
    if (slots.waiting.length >= state.settings.slotQueue) {
      throw gatewayRefusal(429, 'rate_limit_error', 'Too many pending requests, please retry later')
    }
    whileWaiting()
    await turn(state, slots.waiting)
  } else {
    slots.running++
  }
  key.current_concurrency++

  let taken = true
  return () => {
    if (!taken) return
    taken = false
    key.current_concurrency--
    // The slot passes straight to the next in line; only without one it becomes free.
    const next = slots.waiting.shift()
    if (next) next()
    else slots.running--
  }
}

function turn(state: MockState, waiting: (() => void)[]) {
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      waiting.splice(waiting.indexOf(come), 1)
      reject(gatewayRefusal(429, 'rate_limit_error', 'Concurrency limit exceeded for user, please retry later'))
    }, state.settings.slotWaitMs)
    timer.unref()
    function come() {
      clearTimeout(timer)
      resolve()
    }
    waiting.push(come)
  })
}
