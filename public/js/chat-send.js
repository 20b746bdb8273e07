import { filesInBox } from './chat-files.js'
import { forget, hold, isStopped } from './hold.js'
import { forgetTyped } from './typed.js'

/** The message on its way, until its answer came; null when none is. */
let sent = null
/** The message that waited for its files, as it was when it was sent off; null when none did. */
let pressed = null
/** Nothing was there to be sent, and that is what is said. */
let isMissing = false

const box = () => document.querySelector('.chat-box')
const say = () => document.getElementById('say')
const files = () => document.getElementById('attachments')

/** The box is emptied when a message leaves it, and not when that arrives: what is typed in between is the next one. */
export function start() {
  document.addEventListener('submit', onSubmit, true)
  document.addEventListener('htmx:config:request', event => {
    if (!isMessage(event)) return
    if (sent) {
      event.preventDefault()
      explain('stillSending')
    } else if (!event.defaultPrevented) {
      take(event.detail.ctx.request)
      // It arrives even if its page goes at once; browsers let 64 KiB do so.
      event.detail.ctx.request.keepalive = sent.text.length < 16_000
    }
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
    isMissing = event.detail.ctx.response?.status === 422 && !hasWords()
    if (isMissing) say().focus()
    sent = null
    if (hasWords() && !event.detail.ctx.hx?.redirect) keep()
  })
  document.addEventListener('input', event => {
    if (!isMissing || event.target.id !== 'say') return
    isMissing = false
    document.getElementById('chat-error').replaceChildren()
  })
  document.addEventListener('htmx:after:swap', takeBack)
  // Whoever was told to wait need wait no longer.
  document.addEventListener('htmx:after:swap', () => {
    if (!sent) document.querySelector('#chat-error .waiting')?.remove()
  })
}

/** Says why the words stay in the box, or why what was sent waits. */
export function explain(why, kind = 'waiting') {
  const place = document.getElementById('chat-error')
  const sentence = document.createElement('p')
  sentence.className = `field-error ${kind}`
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

/** A message waits for its files, and is sent as it was when Enter was pressed. */
function onSubmit(event) {
  if (event.target.id !== 'chat-composer' || event.submitter?.matches('[data-not-taken]') || pressed) return
  const items = filesInBox()
  const arrivals = items.filter(item => item instanceof Promise)
  const stopped = isStopped()
  if (!stopped && (sent || arrivals.length === 0)) return forget()
  event.preventDefault()
  event.stopImmediatePropagation()
  if (!stopped) void waitFor(arrivals, items)
}

async function waitFor(arrivals, items) {
  const form = document.getElementById('chat-composer')
  const body = new FormData(form)
  const text = say().value
  if (!(await hold(arrivals))) return
  const files = await Promise.all(items)
  for (const name of ['file', 'attachment', 'name']) body.delete(name)
  for (const { name, value } of files.flatMap(file => [...file.querySelectorAll('input')])) body.append(name, value)
  pressed = { body, text, files }
  form.requestSubmit()
}

function take(request) {
  if (pressed) request.body = pressed.body
  sent = pressed ?? { text: say().value, files: [...files().children] }
  pressed = null
  // Whoever wrote on meanwhile keeps that.
  if (say().value.startsWith(sent.text)) say().value = say().value.slice(sent.text.length).trimStart()
  forgetTyped(say())
  if (say().value !== '') say().dispatchEvent(new Event('input', { bubbles: true }))
  for (const file of sent.files) file.remove()
}

function putBack() {
  say().value = [sent.text, say().value].filter(Boolean).join('\n\n')
  say().dispatchEvent(new Event('input', { bubbles: true }))
  files().prepend(...sent.files)
}

/** A message that was in line is in the box again, above what is typed there. */
function takeBack() {
  const place = document.getElementById('taken-back')
  const words = place?.querySelector('pre')?.textContent
  if (words === undefined) return
  place.replaceChildren()
  say().value = [words, say().value].filter(Boolean).join('\n\n')
  say().dispatchEvent(new Event('input', { bubbles: true }))
  keep()
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
  const headers = { 'HX-Request': 'true' }
  const kept = await fetch('/chat/draft', { method: 'POST', body: draft, headers }).catch(() => null)
  // Else they stay in this tab, for the next time.
  if (kept?.ok) forgetTyped(say())
  location.href = address
}
