/** Not ended, or its cost is still to come. */
const open = '.job[data-open]'
/** As many as the server looks at, and an address may name. */
const MOST_ASKED = 64

let turn = 0

/** What a page asks about pictures is about the tiles that it shows: any answer may have been lost, or overtaken. */
export function start() {
  document.addEventListener('htmx:config:request', event => {
    const { sourceElement } = event.detail.ctx
    if (sourceElement.id === 'pulse') askForTiles(event.detail.ctx.request)
    if (sourceElement.id === 'arrivals') askForOthers(event)
  })
  document.addEventListener('htmx:after:swap', wake)
}

/** How each looks here, not how the server knew it when it wrote the address. */
function askForTiles({ action, body }) {
  const tags = new Map()
  for (const tag of new URL(action, location.href).searchParams.getAll('t')) tags.set(idOf(tag), tag)
  for (const tile of document.querySelectorAll('.job[data-tag]')) {
    const { tag } = tile.dataset
    if (tags.has(idOf(tag)) || tile.matches(open)) tags.set(idOf(tag), tag)
  }
  for (const tag of tags.size > MOST_ASKED ? someOf([...tags.values()]) : tags.values()) body.append('t', tag)
}

/** Where there are more than may be asked about: those in sight each time, of the others a part by turns. */
function someOf(tags) {
  const isSeen = tag => {
    const box = document.getElementById(`job-${idOf(tag)}`)?.getBoundingClientRect()
    return box && box.bottom > 0 && box.top < innerHeight
  }
  const seen = tags.filter(isSeen)
  const others = tags.filter(tag => !seen.includes(tag))
  turn += Math.max(0, MOST_ASKED - seen.length)
  const first = turn % Math.max(1, others.length)
  return [...seen, ...others.slice(first), ...others.slice(0, first)].slice(0, MOST_ASKED)
}

/** Jobs that arrived from elsewhere; nobody is there to see them in a hidden page. */
function askForOthers(event) {
  if (document.hidden) event.preventDefault()
  for (const tile of document.querySelectorAll('#today > .job:nth-child(-n+48)'))
    event.detail.ctx.request.body.append('s', tile.id.slice(4))
}

/** The server knows of nothing unfinished, but a tile here is: what ended it came between two answers. */
function wake() {
  const pulse = document.getElementById('pulse')
  if (!pulse || pulse.hasAttribute('hx-get') || !document.querySelector(open)) return
  const ask = { 'hx-get': '/images/tiles', 'hx-trigger': 'every 1s', 'hx-swap': 'none', 'hx-sync': 'this:drop' }
  for (const [name, value] of Object.entries(ask)) pulse.setAttribute(name, value)
  window.htmx.process(pulse)
}

function idOf(tag) {
  return tag.slice(0, 36)
}
