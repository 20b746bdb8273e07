import { explain } from './chat-send.js'

/** What is sent without a wait has arrived by then. */
const PATIENCE_MS = 1000

let timer = 0

/** With a budget, what is asked waits for the bill of the answer before: whoever waits is told why. */
export function start() {
  document.addEventListener('htmx:config:request', event => {
    if (event.defaultPrevented || !isQuestion(event) || !document.getElementById('chat-error').dataset.billWait) return
    clearTimeout(timer)
    timer = setTimeout(explain, PATIENCE_MS, 'billWait', 'billing')
  })
  document.addEventListener('htmx:finally:request', event => {
    if (!isQuestion(event)) return
    clearTimeout(timer)
    document.querySelector('#chat-error .billing')?.remove()
  })
}

/** A message, one that was edited, or the wish for another answer. */
function isQuestion({ detail }) {
  const address = detail.ctx.sourceElement?.getAttribute('hx-post') ?? ''
  return /^\/chat(\/[^/]+\/messages(\/[^/]+\/again)?)?$/.test(address)
}
