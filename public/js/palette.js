import { isWriting, run } from './keyboard.js'

/** Safari tells of the Enter that ends a composition after it has ended, milliseconds. */
const AFTER_COMPOSING = 100

let palette = null
let field
let composedAt = 0

/** Into the palette that has just been opened: anew each time, since what is recent changes. */
export async function fill(opened) {
  if (!palette) listen(opened)
  try {
    const answer = await fetch('/palette', { headers: { 'HX-Request': 'true' } })
    // Signed out meanwhile, or a fault: the page of its own says what is the matter.
    if (!answer.ok || answer.redirected) return location.assign('/palette')
    palette.querySelector('#palette-list').outerHTML = await answer.text()
    narrow()
    if (field.value) field.dispatchEvent(new Event('input', { bubbles: true }))
  } catch {
    location.assign('/palette')
  }
}

function listen(opened) {
  palette = opened
  field = palette.querySelector('[type="search"]')
  field.addEventListener('input', narrow)
  field.addEventListener('compositionend', () => {
    composedAt = performance.now()
  })
  palette.querySelector('form').addEventListener('submit', event => {
    event.preventDefault()
    if (performance.now() - composedAt > AFTER_COMPOSING) items()[0]?.click()
  })
  palette.addEventListener('htmx:after:swap', tellNothing)
  palette.addEventListener('keydown', onKey)
  palette.addEventListener('click', event => {
    const command = event.target.closest('[data-press],[data-act]')
    if (event.target === palette || command) palette.close()
    if (command) run(command)
  })
  palette.addEventListener('close', () => {
    field.value = ''
  })
}

function onKey(event) {
  if (isWriting(event) || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === 'Escape') {
    event.preventDefault()
    return palette.close()
  }
  const all = items()
  const at = all.indexOf(document.activeElement)
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step) {
    event.preventDefault()
    ;(all[Math.min(at + step, all.length - 1)] ?? field).focus()
  } else if (at >= 0 && (event.key === 'Backspace' || (event.key.length === 1 && event.key !== ' '))) field.focus()
}

/** The commands are all there: they follow each letter, before the server is asked for the rest. */
function narrow() {
  const group = palette.querySelector('#palette-commands')
  if (!group) return
  const words = field.value.toLowerCase().split(/\s+/)
  for (const row of group.querySelectorAll('li')) {
    const said = row.querySelector('span').textContent.toLowerCase()
    row.hidden = !words.every(word => said.includes(word))
  }
  group.hidden = !group.querySelector('li:not([hidden])')
  tellNothing()
}

function tellNothing() {
  palette.querySelector('.palette-nothing').hidden = items().length > 0
}

function items() {
  return [...palette.querySelectorAll('.palette-item')].filter(item => item.checkVisibility())
}
