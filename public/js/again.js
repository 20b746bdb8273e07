import { toast } from './toast.js'

const MOST = 5

/**
 * What was not taken because too much is asked at once is sent again by itself, as it was: its submission makes it the
 * same however often it comes. Whoever pressed sees one request that takes longer.
 */
export function start() {
  document.addEventListener('htmx:config:request', event => {
    const { ctx } = event.detail
    const { body } = ctx.request
    if (body?.has?.('submission')) ctx.fetch = fetchAgain
  })
}

async function fetchAgain(address, request) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(address, request)
    const seconds = Number(response.headers.get('Retry-After'))
    if (response.status !== 503 || !(seconds > 0 && seconds <= 10) || attempt === MOST) return response
    if (attempt === 1) toast(document.getElementById('toasts').dataset.busy)
    await new Promise(resolve => setTimeout(resolve, seconds * 1000 * (1 + Math.random())))
  }
}
