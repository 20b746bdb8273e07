import { ask, toast } from './toast.js'

const MOST = 5

/**
 * What was not taken because too much is asked at once is sent again by itself, as it was: its submission makes it the
 * same however often it comes. Whoever pressed is told, and can call it off.
 */
export function start() {
  document.addEventListener('htmx:config:request', event => {
    const { ctx } = event.detail
    const { body } = ctx.request
    if (body?.has?.('submission')) ctx.fetch = fetchAgain
  })
}

/** Throws an `AbortError` when it was called off: what was answered last had not been taken. */
async function fetchAgain(address, request) {
  const words = document.getElementById('toasts').dataset
  const off = Promise.withResolvers()
  let close = null
  try {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(address, request)
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
