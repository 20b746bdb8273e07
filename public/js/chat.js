import { start as startBillWait } from './chat-bill-wait.js'
import { addTools } from './chat-code.js'
import { start as startAttaching } from './chat-files.js'
import { start as startFinding } from './chat-find.js'
import { start as startPlace } from './chat-place.js'
import { start as startSending } from './chat-send.js'
import { drawTail } from './chat-tail.js'
import { isWriting } from './keyboard.js'
import { toast } from './toast.js'

const follow = document.getElementById('follow')
const words = document.getElementById('toasts').dataset
let isConnected = false
/** Of the end, in pixels. */
const NEAR = 80
let isAtEnd = true
/** Where the page was put when it last went along. */
let putAt = 0

startAttaching()
startSending()
startBillWait()
listen()
typing()
scrolling()
copying()
decorate(document)
if (follow) polling()
startPlace()
startFinding()
// The latest is what one comes for.
if (follow && !location.hash) scrollTo(0, end())

/** More of the answer that is being written: `t` text, `b` complete blocks, `r` reasoning, `e` its end. */
function listen() {
  if (!follow) return
  const writing = () => document.querySelector('.answer.writing')
  const tail = () => writing()?.querySelector('.tail')
  follow.addEventListener('hello', () => {
    isConnected = true
  })
  follow.addEventListener('t', event => {
    const end = tail()
    if (!end) return
    end.append(event.detail.data)
    drawTail(end)
    keepUp()
  })
  follow.addEventListener('b', event => {
    const end = tail()
    if (!end) return
    end.insertAdjacentHTML('beforebegin', event.detail.data)
    end.textContent = ''
    decorate(end.parentElement)
    keepUp()
  })
  follow.addEventListener('r', event => {
    const reasoning = writing()?.querySelector('.reasoning')
    if (!reasoning) return
    reasoning.hidden = false
    reasoning.querySelector('.words').append(event.detail.data)
  })
  follow.addEventListener('e', event => {
    const answer = writing()
    if (!answer) return
    const [head] = event.detail.data.split('\n', 1)
    const rest = event.detail.data.slice(head.length + 1)
    const [state, anew] = head.split(' ')
    const prose = answer.querySelector('.prose')
    if (anew) prose.innerHTML = rest
    else tail().insertAdjacentHTML('beforebegin', rest)
    tail()?.remove()
    prose.querySelector('.forming')?.remove()
    answer.querySelector('.progressing')?.remove()
    answer.classList.replace('writing', `state-${state}`)
    decorate(prose)
    keepUp()
  })
  document.addEventListener('htmx:after:swap', () => {
    decorate(document)
    keepUp()
  })
  for (const name of ['htmx:sse:error', 'htmx:sse:close']) {
    follow.addEventListener(name, () => {
      isConnected = false
    })
  }
}

/** Asks every two seconds while there is no stream: some networks let none through. */
function polling() {
  const ask = async () => {
    const answer = document.querySelector('.answer.writing')
    if (isConnected || (document.hidden && !answer)) return
    const shown = document.getElementById('chat-pulse').dataset.v
    const first = document.querySelector('#thread > .message')?.id.slice(2) ?? ''
    try {
      await window.htmx.ajax('GET', `${follow.dataset.pulse}from=${first}&v=${encodeURIComponent(shown)}`, {
        source: '#chat-pulse',
        swap: 'none',
      })
    } catch {
      // Asked again in two seconds.
    }
    if (document.hidden && answer && !document.querySelector('.answer.writing')) tellAnswered(answer)
  }
  setInterval(ask, 2000)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) isConnected = false
  })
}

/** Nobody looks, so no stream has told it. */
function tellAnswered(answer) {
  const done = document.createElement('span')
  done.dataset.done = answer.closest('.message').id
  done.textContent = follow.dataset.answered
  document.getElementById('live').replaceChildren(done)
}

/** Enter sends, Shift+Enter makes a line; while a word is being composed, Enter belongs to the input method. */
function typing() {
  document.addEventListener('keydown', event => {
    const field = event.target
    if (event.key === 'Escape' && !isWriting(event)) field.closest('.edit form')?.reset()
    if (field.tagName !== 'TEXTAREA' || !field.closest('.chat-composer,.edit') || event.key !== 'Enter') return
    if (event.shiftKey || isWriting(event)) return
    // A keyboard on the glass has no Shift+Enter: there Enter makes the line, and the button sends.
    if (matchMedia('(hover: none) and (pointer: coarse)').matches) return
    event.preventDefault()
    const { form } = field
    const send = form.querySelector('.send, .edit .primary, p .primary')
    if (send && !send.disabled) form.requestSubmit(send)
  })
  // An edit that is given up: the message is as it was.
  document.addEventListener('reset', event => {
    const edit = event.target.closest('.edit')
    if (!edit) return
    edit.open = false
    edit.querySelector('summary').focus()
  })
  document.addEventListener('submit', event => {
    if (!event.target.matches('.list-switch')) return
    event.preventDefault()
    const form = new URLSearchParams(new FormData(event.target, event.submitter))
    document.querySelector('.chat').classList.toggle('list-closed', event.submitter.value === 'off')
    fetch(event.target.action, { method: 'POST', body: form, headers: { 'HX-Request': 'true' } }).catch(() => {})
  })
  // Settings that were taken are put away.
  document.addEventListener('htmx:after:request', event => {
    const { sourceElement, response } = event.detail.ctx
    if (sourceElement?.matches('.chat-menu form') && response?.raw.ok)
      document.getElementById('chat-menu').hidePopover()
  })
  document.addEventListener('htmx:after:swap', event => {
    const { sourceElement } = event.detail.ctx
    if (
      !sourceElement?.matches?.('#chat-composer, .in-line [formaction$="/edit"]') ||
      !event.detail.ctx.response?.raw.ok
    )
      return
    document.getElementById('say')?.focus()
    isAtEnd = true
    putAt = 0
    keepUp()
  })
  const say = document.getElementById('say')
  if (say && matchMedia('(pointer: fine)').matches) say.focus({ preventScroll: true })
}

/** The page goes along with the answer, unless the reader has scrolled up. */
function scrolling() {
  const down = document.getElementById('to-end')
  const look = () => {
    isAtEnd = scrollY > end() - NEAR
    if (down) down.hidden = isAtEnd
  }
  addEventListener('scroll', look, { passive: true })
  addEventListener('resize', keepUp)
  down?.addEventListener('click', () => scrollTo({ top: end() }))
}

function keepUp() {
  // A scroll is told a frame after it: the reader may have gone up already.
  if (scrollY < Math.min(putAt, end()) - NEAR) isAtEnd = false
  if (!isAtEnd || !follow) return
  scrollTo({ top: end(), behavior: 'instant' })
  putAt = scrollY
}

/** Where the page is scrolled to when the composer, which sticks to the bottom, has come to its place. */
function end() {
  const bar = Number.parseFloat(getComputedStyle(document.querySelector('.chat-composer')).insetBlockEnd) || 0
  return document.getElementById('main').getBoundingClientRect().bottom + scrollY + bar - innerHeight
}

function copying() {
  document.addEventListener('click', async event => {
    const button = event.target.closest('[data-copy-from],[data-copy-said]')
    if (!button) return
    try {
      const text = button.dataset.copyFrom
        ? await (await fetch(button.dataset.copyFrom)).text()
        : button.closest('.message').querySelector('.said').textContent
      await navigator.clipboard.writeText(text)
      toast(words.copied)
    } catch {
      toast(words.copyFailed)
    }
  })
}

/** What the HTML of an answer lacks. */
function decorate(within) {
  for (const tail of within.querySelectorAll('.writing .tail')) drawTail(tail)
  addTools(within)
}
