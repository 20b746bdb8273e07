import { start as startSelection } from './library-selection.js'
import { memory } from './memory.js'

const tiles = document.getElementById('tiles')
const KEPT = 'library place'

startFilters()
if (tiles) {
  startSelection(tiles)
  keepDepth()
  keepPlace()
  markMonth()
}

/** The filters open over the list; the link leads to a page of them without JavaScript. */
function startFilters() {
  const link = document.querySelector('[data-filters]')
  link?.addEventListener(
    'click',
    event => {
      const filters = document.getElementById('filters')
      if (filters.childElementCount === 0) return
      event.preventDefault()
      event.stopImmediatePropagation()
      filters.replaceChildren()
    },
    true,
  )
}

/** The address says how far down the list was read: reload and Back show it to there. */
function keepDepth() {
  const first = document.getElementById('older')?.dataset.through
  const note = () => {
    const through = document.getElementById('older')?.dataset.through
    // A picture that is open has an address of its own.
    if (document.querySelector('.lightbox[open]')) return
    if (through && through !== first) history.replaceState(history.state, '', through)
  }
  document.addEventListener('htmx:after:swap', note)
  document.getElementById('lightbox')?.addEventListener('close', note)
}

/** And its state which picture stood where: pictures may have come or gone above it. */
function keepPlace() {
  const place = history.state?.place ?? readKept()
  if (place) {
    history.scrollRestoration = 'manual'
    const tile = document.getElementById(place.id) ?? nearest(place.at)
    if (tile) scrollBy({ top: tile.getBoundingClientRect().top - place.top, behavior: 'instant' })
  }
  const note = () => {
    const now = placeNow()
    if (now && scrollY > 0 && !document.querySelector('.lightbox[open]'))
      history.replaceState({ ...history.state, place: now }, '')
  }
  addEventListener('pagehide', note)
  document.getElementById('lightbox')?.addEventListener('opens', note)
  document.getElementById('selection')?.addEventListener('submit', () => {
    const now = placeNow()
    if (now) memory.setItem(KEPT, JSON.stringify(now))
  })
}

function readKept() {
  const kept = memory.getItem(KEPT)
  memory.removeItem(KEPT)
  return kept && JSON.parse(kept)
}

function placeNow() {
  const all = [...tiles.querySelectorAll('.cell')]
  // Halved again and again: they stand below each other, and there may be thousands.
  let [at, end] = [0, all.length]
  while (at < end) {
    const middle = (at + end) >> 1
    if (all[middle].getBoundingClientRect().bottom > 80) end = middle
    else at = middle + 1
  }
  return at < all.length ? { id: all[at].id, at, top: all[at].getBoundingClientRect().top } : null
}

/** Its picture is gone: the one that stands at its number now. */
function nearest(at) {
  const all = tiles.querySelectorAll('.cell')
  return all[Math.min(at, all.length - 1)]
}

/** The month that is being looked at. */
function markMonth() {
  const links = [...document.querySelectorAll('#dates a')]
  if (links.length < 2) return
  let asked = false
  const mark = () => {
    asked = false
    const heads = [...tiles.querySelectorAll('.day-head')]
    const head = heads.findLast(each => each.getBoundingClientRect().top < innerHeight / 3) ?? heads[0]
    const month = head?.dataset.month
    if (!month) return
    for (const link of links) {
      if (link.dataset.month === month) link.setAttribute('aria-current', 'true')
      else link.removeAttribute('aria-current')
    }
  }
  addEventListener(
    'scroll',
    () => {
      if (!asked) requestAnimationFrame(mark)
      asked = true
    },
    { passive: true },
  )
  mark()
}
