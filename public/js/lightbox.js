import { isWriting } from './keyboard.js'
import { start as startZoom } from './lightbox-zoom.js'
import { useAsReference } from './picture-keys.js'

/** Shown beside each other, on either side of the one that is open. */
const STRIP = 12
/** So near the end of what is loaded, more is asked for. */
const NEAR_END = 4

const dialog = document.getElementById('lightbox')
const zoom = startZoom(dialog.querySelector('.lightbox-stage'), { step, close, closer: loadFull })
let current
/** The one that comes next, on its way. */
let ahead = null
/** All that was asked for has been done. */
let changed = Promise.resolve()
/** The way out, where there is one: a step back in history. */
let isPushed = false
/** On it already: whatever comes late changes neither the address nor what is shown. */
let isLeaving = false

start()

/**
 * Opens the pictures of a page large, in their order, over the page, each at its address: pushed once, replaced while stepping, so
 * that one Back closes. The links work without it.
 */
function start() {
  document.addEventListener('click', event => {
    const link = event.target.closest('a[data-picture]')
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    open(link)
  })
  addEventListener('popstate', event => {
    const link = event.state?.lightbox && linkOf(event.state.lightbox)
    isLeaving = false
    isPushed = Boolean(link)
    if (link) show(link)
    else if (event.state?.lightbox) location.reload()
    else if (dialog.open) dialog.close()
  })
  dialog.addEventListener('click', event => {
    const act = event.target.closest('[data-act]')?.dataset.act
    // Open and download are links.
    if (act in acts) acts[act]()
  })
  // Esc: by the one way out.
  dialog.addEventListener('cancel', event => {
    event.preventDefault()
    close()
  })
  // Of the whole page: a button that went away leaves the keys to nobody.
  document.addEventListener('keydown', event => {
    const act = keys[event.key]
    if (!act || !dialog.open || document.querySelector('dialog[open]:not(#lightbox)')) return
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event)) return
    event.preventDefault()
    if (!event.repeat || act === 'previous' || act === 'next') acts[act]()
  })
  // What lies behind it stays where it is; it need not be laid out anew for that.
  dialog.addEventListener('wheel', event => event.preventDefault(), { passive: false })
  dialog.addEventListener('close', () => {
    // By something else than its own way out: the address goes back, too.
    if (isPushed) close()
    linkOf(current)?.focus({ preventScroll: false })
    // A picture takes as much memory as it has pixels.
    dialog.querySelector('.lightbox-stage img').removeAttribute('src')
    dialog.querySelector('.lightbox-strip').replaceChildren()
    ahead = null
  })
  // More of the list has come.
  document.addEventListener('htmx:after:swap', () => {
    const link = dialog.open && linkOf(current)
    if (link) showBeside(link)
  })
}

const keys = {
  ArrowLeft: 'previous',
  ArrowRight: 'next',
  i: 'facts',
  f: 'favourite',
  r: 'reference',
  Delete: 'delete',
  z: 'undo',
  '+': 'closer',
  '=': 'closer',
  '-': 'farther',
  0: 'whole',
  '?': 'help',
}

const acts = {
  previous: () => step(-1),
  next: () => step(1),
  close,
  closer: () => zoom.by(1.5),
  farther: () => zoom.by(1 / 1.5),
  whole: () => zoom.reset(),
  help: () => document.getElementById('keyboard').showModal(),
  facts() {
    const facts = dialog.querySelector('.lightbox-facts')
    facts.hidden = !facts.hidden
    dialog.querySelector('[data-act="facts"]').setAttribute('aria-pressed', String(!facts.hidden))
    loadFacts()
  },
  reference: () => useAsReference(current),
  favourite() {
    const star = dialog.querySelector('[data-act="favourite"]')
    const isOn = star.getAttribute('aria-pressed') !== 'true'
    star.setAttribute('aria-pressed', String(isOn))
    void change(current, 'favourite', { favourite: isOn ? 'on' : 'off' })
  },
  delete() {
    const gone = current
    if (!step(1) && !step(-1)) close()
    offerUndo(gone)
    void change(gone, 'delete')
  },
  undo() {
    const undo = dialog.querySelector('.lightbox-undo')
    if (undo.hidden) return
    const { picture } = undo.dataset
    undo.hidden = true
    void change(picture, 'restore').then(() => {
      const link = dialog.open && linkOf(picture)
      if (link) step(0, link)
    })
  },
}

function links() {
  return [...document.querySelectorAll('a[data-picture]')]
}

function linkOf(id) {
  return document.querySelector(`a[data-picture="${CSS.escape(id)}"]`)
}

function open(link) {
  // The list may note where it stands.
  dialog.dispatchEvent(new Event('opens'))
  history.pushState({ lightbox: link.dataset.picture }, '', link.href)
  isPushed = true
  show(link)
}

function close() {
  if (isLeaving) return
  if (!isPushed) return dialog.close()
  isLeaving = true
  history.back()
}

/** By so many, or to `link`; false at the end of the list. */
function step(by, to) {
  if (isLeaving) return false
  const all = links()
  const at = all.findIndex(link => link.dataset.picture === current) + by
  const link = to ?? all[at]
  if (all.length - at < NEAR_END) document.querySelector('#older a')?.click()
  if (!link) return false
  history.replaceState({ ...history.state, lightbox: link.dataset.picture }, '', link.href)
  show(link)
  return true
}

function show(link) {
  current = link.dataset.picture
  const figure = link.closest('.picture')
  const thumbnail = link.querySelector('img')
  const picture = dialog.querySelector('.lightbox-stage img')
  const thumb = thumbnail.getAttribute('src')
  const full = thumb.replace(/\/thumb$/, '')
  const width = Number(link.dataset.width ?? thumbnail.getAttribute('width'))
  const height = Number(link.dataset.height ?? thumbnail.getAttribute('height'))
  zoom.reset()
  picture.classList.toggle('alpha', link.matches('.alpha'))
  picture.style.aspectRatio = `${width} / ${height}`
  picture.style.width = `min(100%, ${width}px, (100dvh - 160px) * ${width / height})`
  picture.alt = thumbnail.alt
  // The thumbnail is here already: it stands in until one as large as the screen has come.
  picture.style.backgroundImage = link.matches('.alpha') ? '' : `url("${thumb}")`
  // Nothing of the one before it is shown meanwhile.
  picture.removeAttribute('src')
  picture.dataset.full = full
  picture.src = screenOf(link)
  picture.onload = () => loadAhead(link)
  const words = link.querySelector('.condition')?.textContent ?? ''
  const label = dialog.querySelector('.lightbox-label')
  label.textContent = words
  label.hidden = !words
  dialog.querySelector('.lightbox-words').textContent = thumbnail.alt
  dialog.querySelector('[data-act="open"]').href = link.href
  dialog.querySelector('[data-act="download"]').href = `${full}?download=${current}`
  dialog.querySelector('[data-act="favourite"]').setAttribute('aria-pressed', String(isStarred(figure)))
  if (!dialog.open) dialog.showModal()
  showBeside(link)
  loadFacts()
}

function screenOf(link) {
  return link
    .querySelector('img')
    .getAttribute('src')
    .replace(/\/thumb$/, '/screen')
}

function loadAhead(link) {
  const all = links()
  const next = all[all.indexOf(link) + 1]
  if (!next || link.dataset.picture !== current) return
  ahead = new Image()
  ahead.src = screenOf(next)
}

/** All its pixels, once somebody looks closer. */
async function loadFull() {
  const picture = dialog.querySelector('.lightbox-stage img')
  const { full } = picture.dataset
  if (!full) return
  delete picture.dataset.full
  const whole = new Image()
  whole.src = full
  const of = current
  await whole.decode().catch(() => {})
  if (of !== current || !dialog.open) return
  picture.onload = null
  picture.src = full
}

function showBeside(link) {
  const all = links()
  const at = all.indexOf(link)
  dialog.querySelector('[data-act="previous"]').disabled = at === 0
  dialog.querySelector('[data-act="next"]').disabled = at === all.length - 1
  dialog.querySelector('.lightbox-place').textContent = placeOf(at)
  showStrip(all, at)
}

/** Among all that match, where the list begins with the first of them. */
function placeOf(at) {
  const total = document.querySelector('#total[data-total]')
  return total ? `${(at + 1).toLocaleString(document.documentElement.lang)} / ${total.dataset.total}` : ''
}

function isStarred(figure) {
  return figure.querySelector('.starred, [name="favourite"][aria-pressed="true"]') !== null
}

/** A window of the list: as many as fit, however long it is. */
function showStrip(all, at) {
  const strip = dialog.querySelector('.lightbox-strip')
  const first = Math.max(0, at - STRIP)
  strip.replaceChildren(
    ...all.slice(first, at + STRIP + 1).map(link => {
      const button = document.createElement('button')
      button.type = 'button'
      button.tabIndex = -1
      const picture = document.createElement('img')
      const thumbnail = link.querySelector('img')
      Object.assign(picture, {
        src: thumbnail.getAttribute('src'),
        alt: thumbnail.alt,
        width: 44,
        height: 44,
        decoding: 'async',
      })
      button.append(picture)
      if (link === all[at]) button.setAttribute('aria-current', 'true')
      button.addEventListener('click', () => step(0, link))
      return button
    }),
  )
  const here = strip.querySelector('[aria-current]')
  strip.scrollLeft = here.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2
}

/** One after the other: who undoes at once undoes what was done. Its tile shows what became of it. */
function change(id, what, values = {}) {
  changed = changed.then(() => send(id, what, values)).catch(() => {})
  return changed
}

function send(id, what, values) {
  const figure = document.getElementById(`picture-${id}`)
  const isCell = figure.matches('.cell')
  const query = figure.querySelector('a[data-picture]')?.search.slice(1) ?? figure.dataset.query ?? ''
  const path = `/library/${id}/${what}${isCell ? `?${new URLSearchParams({ as: 'cell', in: query })}` : ''}`
  return window.htmx.ajax('POST', path, { source: figure, target: figure, swap: 'outerHTML', values })
}

function offerUndo(id) {
  const undo = dialog.querySelector('.lightbox-undo')
  undo.dataset.picture = id
  undo.hidden = false
}

function loadFacts() {
  const facts = dialog.querySelector('.lightbox-facts')
  if (facts.hidden || facts.dataset.of === current) return
  facts.dataset.of = current
  window.htmx.ajax('GET', `/library/${encodeURIComponent(current)}`, { target: '.lightbox-facts', swap: 'innerHTML' })
}
