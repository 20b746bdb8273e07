import { lastingMemory } from './memory.js'

const PLACE = 'unsent '
const MINE = `${PLACE}${document.documentElement.dataset.person}`
const FRESH_MS = 5 * 60_000
const AGAIN_MS = 10_000
/** At once more than anybody means to ask for. */
const MOST = 20

let timer

/**
 * Presses that no server was there for wait here, of this person and in this browser, and are sent by themselves when it
 * is there again: as they were, under the submission that makes each the same however often it comes. One that is older
 * than five minutes, or dearer now, asks first.
 */
export function start() {
  for (const name of Object.keys(lastingMemory))
    if (name.startsWith(PLACE) && name !== MINE) lastingMemory.removeItem(name)
  addEventListener('online', () => void sendAll())
  addEventListener('storage', event => event.key === MINE && show())
  document.addEventListener('submit', event => {
    if (event.target.matches('[action="/logout"]')) lastingMemory.removeItem(MINE)
  })
  document.addEventListener('click', onClick)
  document.addEventListener('htmx:after:swap', show)
  show()
  void sendAll()
}

/** Keeps what could not be sent; false where files come along, which nobody else has yet. */
export function keepUnsent(body) {
  const fields = [...body].filter(([, value]) => !(value instanceof File && value.size === 0))
  if (fields.some(([, value]) => value instanceof File)) return false
  const text = new URLSearchParams(fields).toString()
  const id = body.get('submission')
  const press = { id, body: text, words: body.get('prompt'), price: shownPrice(), at: Date.now(), state: 'waiting' }
  const others = kept().filter(each => each.id !== id || each.body !== text)
  if (others.length >= MOST || !keep([...others, press])) return false
  clearTimeout(timer)
  timer = setTimeout(() => void sendAll(), AGAIN_MS)
  return true
}

async function sendAll() {
  clearTimeout(timer)
  if (!document.documentElement.dataset.person) return
  // One tab does it; what two would send is the same all the same.
  const alone = navigator.locks
    ? work => navigator.locks.request(MINE, { ifAvailable: true }, work)
    : work => work(true)
  await alone(async isOurs => {
    for (const press of isOurs ? kept() : []) {
      if (press.state === 'waiting' && !(await send(press))) break
    }
  })
  if (kept().some(({ state }) => state === 'waiting')) timer = setTimeout(() => void sendAll(), AGAIN_MS)
}

/** False while there is still nobody to send it to. */
async function send(press) {
  try {
    const price = await priceOf(press)
    if (Date.now() - press.at > FRESH_MS) return change(press, { state: 'old', price })
    if (price !== press.price) return change(press, { state: 'dearer', price })
    const headers = { 'HX-Request': 'true', 'Content-Type': 'application/x-www-form-urlencoded' }
    const response = await fetch('/images', { method: 'POST', headers, body: press.body })
    if (response.status === 429 || response.status >= 500) return false
    if (!response.ok || response.headers.get('HX-Redirect')) return change(press, { state: 'refused' })
    renew(press, await response.text())
    drop(press)
    window.htmx?.trigger('#arrivals', 'unsent')
    return true
  } catch {
    return false
  }
}

/** As the form would say it now; throws where nobody answers. */
async function priceOf({ body }) {
  const fields = new URLSearchParams(body)
  fields.delete('prompt')
  const response = await fetch(`/images/quote?${fields}`, { headers: { 'HX-Request': 'true' } })
  if (!response.ok) throw new Error(`no price: ${response.status}`)
  return shownPrice(
    new DOMParser().parseFromString((await response.text()).replaceAll('hx-partial', 'div'), 'text/html'),
  )
}

function shownPrice(page = document) {
  return page.querySelector('.quote .price')?.textContent.trim() ?? ''
}

/** The form that it was sent from asks for another picture with its next press. */
function renew({ id }, answer) {
  const field = document.querySelector('#composer [name="submission"]')
  const next = /name="submission" value="([\w-]+)"/.exec(answer)?.[1]
  if (field?.value === id && next) field.value = next
}

function onClick(event) {
  const act = event.target.closest('[data-unsent]')?.dataset.unsent
  const press = act && kept().find(({ id }) => id === event.target.closest('[data-press]').dataset.press)
  if (!press) return
  if (act === 'send') {
    // Its age and its price have been seen.
    change(press, { state: 'waiting', at: Date.now() })
    void sendAll()
  }
  if (act === 'drop') drop(press)
  if (act === 'back') {
    const prompt = document.getElementById('prompt')
    prompt.value = press.words
    prompt.dispatchEvent(new Event('input', { bubbles: true }))
    prompt.focus()
    drop(press)
  }
}

function change(press, changes) {
  keep(kept().map(each => (each.id === press.id && each.body === press.body ? { ...each, ...changes } : each)))
  return true
}

function drop(press) {
  keep(kept().filter(each => each.id !== press.id || each.body !== press.body))
}

function kept() {
  try {
    return JSON.parse(lastingMemory.getItem(MINE)) ?? []
  } catch {
    return []
  }
}

function keep(presses) {
  try {
    if (presses.length === 0) lastingMemory.removeItem(MINE)
    else lastingMemory.setItem(MINE, JSON.stringify(presses))
  } catch {
    return false
  }
  show()
  return true
}

function show() {
  const place = document.getElementById('unsent')
  if (!place) return
  const presses = kept()
  place.hidden = presses.length === 0
  const list = place.querySelector('ul')
  const text = JSON.stringify(presses)
  if (list.dataset.shown === text) return
  list.dataset.shown = text
  list.replaceChildren(...presses.map(press => lineOf(place.querySelector('template'), press)))
}

function lineOf(template, { id, words, state, price }) {
  const line = template.content.firstElementChild.cloneNode(true)
  line.dataset.press = id
  line.querySelector('.unsent-words').textContent = words
  const said = line.querySelector('.unsent-state')
  said.textContent = said.dataset[state].replace('{{price}}', price)
  line.querySelector('[data-unsent="send"]').hidden = state === 'refused'
  return line
}
