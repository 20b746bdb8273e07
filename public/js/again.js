import { lastingMemory } from './memory.js'
import { ask, toast } from './toast.js'

const MOST = 5
const LEAVING_MS = 10_000
const LEFT_WITHIN_MS = 3_000

/** When somebody last went elsewhere, unless they thought better of it, or it was only a download. */
let wentAt = Number.NEGATIVE_INFINITY
let timesLeft = 0
/** Loaded before it is wanted: then there may be no network. */
let unsent = null

/**
 * What was not taken because too much is asked at once is sent again by itself, as it was: its submission makes it the
 * same however often it comes. Whoever pressed is told, and can call it off.
 */
export function start() {
  addEventListener('beforeunload', () => {
    wentAt = performance.now()
  })
  addEventListener('pagehide', () => {
    timesLeft++
  })
  addEventListener('load', () => {
    const { person } = document.documentElement.dataset
    const isWanted =
      document.getElementById('composer') || Object.keys(lastingMemory).some(name => name.startsWith('unsent '))
    if (person && isWanted) unsent = loadUnsent()
  })
  document.addEventListener('htmx:config:request', event => {
    const { ctx } = event.detail
    const { body } = ctx.request
    const press = ctx.sourceElement?.id === 'composer' ? fetchOrKeep : fetchAgain
    ctx.fetch = body?.has?.('submission') ? press : fetchOnce
  })
}

async function loadUnsent() {
  const module = await import('./unsent.js')
  module.start()
  return module
}

/** A press for pictures that nobody is there for waits until somebody is: see `unsent.js`. */
async function fetchOrKeep(address, request) {
  try {
    return await fetchAgain(address, request)
  } catch (error) {
    if (!(error instanceof TypeError) || !(await unsent)?.keepUnsent(request.body)) throw error
    throw new DOMException('kept', 'AbortError')
  }
}

/**
 * Firefox ends what is under way before it goes elsewhere, and speaks of the network: it is waited whether the page is left,
 * and nobody there to be told. Throws an `AbortError` in a page that was left and is shown again.
 */
async function fetchOnce(address, request) {
  const before = timesLeft
  try {
    return await fetch(address, request)
  } catch (error) {
    if (performance.now() - wentAt < LEAVING_MS) await new Promise(resolve => setTimeout(resolve, LEFT_WITHIN_MS))
    throw timesLeft > before ? new DOMException('the page was left', 'AbortError') : error
  }
}

/** Throws an `AbortError` when it was called off: what was answered last had not been taken. */
async function fetchAgain(address, request) {
  const words = document.getElementById('toasts').dataset
  const off = Promise.withResolvers()
  let close = null
  try {
    for (let attempt = 1; ; attempt++) {
      const response = await fetchOnce(address, request)
      const seconds = Number(response.headers.get('Retry-After'))
      if (response.status !== 503 || !(seconds > 0 && seconds <= 10) || attempt === MOST) return response
      close ??= ask(words.busy, words.doNotSend, () => off.resolve(true))
      const pause = new Promise(resolve => setTimeout(resolve, seconds * 1000 * (1 + Math.random())))
      if (await Promise.race([off.promise, pause])) break
    }
  } finally {
    close?.()
  }
  toast(words.calledOff)
  throw new DOMException('called off', 'AbortError')
}
