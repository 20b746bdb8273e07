const waiting = '.job:is(.state-queued, .state-running)'

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
    if (tags.has(idOf(tag)) || tile.matches(waiting)) tags.set(idOf(tag), tag)
  }
  for (const tag of tags.values()) body.append('t', tag)
}

/** Jobs that arrived from elsewhere; nobody is there to see them in a hidden page. */
function askForOthers(event) {
  if (document.hidden) event.preventDefault()
  for (const tile of document.querySelectorAll('#today > .job:nth-child(-n+48)'))
    event.detail.ctx.request.body.append('s', tile.id.slice(4))
}

/** The server knows of nothing unfinished, but a tile here still waits: its end came between two answers. */
function wake() {
  const pulse = document.getElementById('pulse')
  if (!pulse || pulse.hasAttribute('hx-get') || !document.querySelector(waiting)) return
  const ask = { 'hx-get': '/images/tiles', 'hx-trigger': 'every 1s', 'hx-swap': 'none', 'hx-sync': 'this:drop' }
  for (const [name, value] of Object.entries(ask)) pulse.setAttribute(name, value)
  window.htmx.process(pulse)
}

function idOf(tag) {
  return tag.slice(0, 36)
}
