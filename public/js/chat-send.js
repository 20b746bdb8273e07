/** The message on its way, until its answer came; null when none is. */
let sent = null

const box = () => document.querySelector('.chat-box')
const say = () => document.getElementById('say')
const files = () => document.getElementById('attachments')

/** The box is emptied when a message leaves it, and not when that arrives: what is typed in between is the next one. */
export function start() {
  document.addEventListener('htmx:config:request', event => {
    if (!isMessage(event)) return
    if (sent) {
      event.preventDefault()
      explain('stillSending')
    } else if (!event.defaultPrevented) take()
  })
  document.addEventListener('htmx:after:request', event => {
    const { hx, response } = event.detail.ctx
    if (!isMessage(event) || !response.raw.ok || !hx.redirect || !hasWords()) return
    event.preventDefault()
    void follow(hx.redirect)
  })
  document.addEventListener('htmx:finally:request', event => {
    if (!isMessage(event)) return
    if (!event.detail.ctx.response?.raw.ok) putBack()
    sent = null
    if (hasWords() && !event.detail.ctx.hx?.redirect) keep()
  })
  // Whoever was told to wait need wait no longer.
  document.addEventListener('htmx:after:swap', () => {
    if (document.querySelector('.send')) document.querySelector('#chat-error .waiting')?.remove()
  })
}

/** Says why the words stay in the box. */
export function explain(why) {
  const place = document.getElementById('chat-error')
  const sentence = document.createElement('p')
  sentence.className = 'field-error waiting'
  sentence.textContent = place.dataset[why]
  place.replaceChildren(sentence)
}

/** Neither its draft nor the button that stops an answer. */
function isMessage({ detail }) {
  return detail.ctx.sourceElement?.id === 'chat-composer'
}

function hasWords() {
  return say().value !== '' || files().children.length > 0
}

function take() {
  sent = { text: say().value, files: [...files().children] }
  say().value = ''
  files().replaceChildren()
}

function putBack() {
  say().value = [sent.text, say().value].filter(Boolean).join('\n\n')
  files().prepend(...sent.files)
}

function keep() {
  box().dispatchEvent(new Event('attached'))
}

/** To the page of the conversation, with what was typed since. */
async function follow(address) {
  const draft = new FormData(document.getElementById('chat-composer'))
  draft.set('conversation', address.split('/').at(-1))
  draft.delete('submission')
  draft.delete('file')
  await fetch('/chat/draft', { method: 'POST', body: draft, headers: { 'HX-Request': 'true' } }).catch(() => {})
  location.href = address
}
