import { isWriting } from './keyboard.js'

const LONG_PRESS_MS = 450
const NEAR = 8

let list
let form
/** Where a range begins. */
let anchor = null
/** A press that was no click: what it did is done already. */
let isSpent = false
/** Somebody has pressed, and the answer is on its way. */
let isSent = false

/** Selecting pictures by click, Shift, Ctrl, a box, a long press and a swipe, and by keys. The boxes to tick work without it. */
export function start(tiles) {
  list = tiles
  form = document.getElementById('selection')
  list.addEventListener('click', onClick, true)
  list.addEventListener('change', event => picked(event.target.closest('.cell')))
  list.addEventListener('dragstart', event => event.preventDefault())
  form.addEventListener('change', event => {
    if (event.target.name === 'all') setAll(event.target.checked)
  })
  form.addEventListener('click', event => {
    if (event.target.closest('[data-select="none"]')) setAll(false)
  })
  // Pressed twice, it would undo what the second press did: nothing.
  form.addEventListener('submit', event => {
    if (isSent) event.preventDefault()
    isSent = true
  })
  addEventListener('pageshow', () => {
    isSent = false
  })
  form.addEventListener('formdata', ({ formData }) => gather(formData))
  document.addEventListener('keydown', onKey)
  document.addEventListener('htmx:after:swap', () => {
    if (isAll()) for (const box of boxes()) box.checked = true
    tell()
  })
  startBox(list.closest('.library-page'))
  startTouch()
  tell()
}

function boxes() {
  return [...list.querySelectorAll('.pick input')]
}

function cells() {
  return [...list.querySelectorAll('.cell')]
}

function boxOf(cell) {
  return cell.querySelector('.pick input')
}

function isSelecting() {
  return boxes().some(box => box.checked)
}

/** All that the list has, shown or not, is selected; the trash knows of no such thing. */
function isAll() {
  return form.elements.all?.checked === true
}

function onClick(event) {
  const cell = event.target.closest('.cell')
  if (isSpent || !cell) {
    if (isSpent) stop(event)
    isSpent = false
    return
  }
  const isBox = event.target.closest('.pick')
  if (event.shiftKey && anchor) {
    stop(event)
    range(anchor, cell, true)
  } else if (!isBox && (event.ctrlKey || event.metaKey || event.shiftKey || isSelecting())) {
    stop(event)
    toggle(cell)
  }
}

function stop(event) {
  event.preventDefault()
  event.stopPropagation()
}

function toggle(cell) {
  boxOf(cell).checked = !boxOf(cell).checked
  picked(cell)
}

function picked(cell) {
  if (cell) anchor = cell
  if (!isSelecting() && form.elements.all) form.elements.all.checked = false
  tell()
}

function range(from, to, checked) {
  const all = cells()
  const [first, last] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b)
  for (const cell of all.slice(Math.max(0, first), last + 1)) boxOf(cell).checked = checked
  tell()
}

function setAll(checked) {
  for (const box of boxes()) box.checked = checked
  if (form.elements.all) form.elements.all.checked = checked && isAll()
  tell()
}

function tell() {
  const count = boxes().filter(box => box.checked).length
  const words = form.querySelector('output')
  words.value = (count === 1 ? words.dataset.one : words.dataset.other).replace('{}', count)
  if (isAll() && count === boxes().length) words.value = ''
  const compare = form.querySelector('.when-two')
  if (compare) compare.disabled = count !== 2 || isAll()
  list.classList.toggle('selecting', count > 0)
}

/** Of hundreds of boxes one field; of all that matches, what was unticked again. */
function gather(data) {
  const ids = data.getAll('id')
  data.delete('id')
  if (data.has('all')) {
    const except = boxes().filter(box => !box.checked)
    if (except.length > 0) data.set('except', except.map(box => box.value).join(','))
  } else data.set('id', ids.join(','))
  const here = new URL(location.href)
  here.searchParams.delete('undo')
  data.set('back', here.pathname + here.search)
}

function onKey(event) {
  if (isWriting(event) || event.defaultPrevented || document.querySelector('dialog[open]')) return
  if (event.target.closest('input:not([type="checkbox"]),textarea,select,[contenteditable]')) return
  const cell = document.activeElement?.closest?.('.cell')
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey
  if (event.key === 'Escape' && isSelecting()) setAll(false)
  else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) setAll(true)
  else if (event.key === 'Delete' && isPlain && isSelecting()) {
    const button = form.querySelector('[value="delete"]')
    if (button && !event.repeat) form.requestSubmit(button)
  } else if (event.key === 'x' && isPlain && cell) toggle(cell)
  else if (event.key.startsWith('Arrow') && isPlain && cell) {
    const next = beside(cell, event.key)
    if (!next) return
    if (event.shiftKey) range(anchor ?? cell, next, true)
    if (event.shiftKey) anchor ??= cell
    ;(next.querySelector('a') ?? boxOf(next)).focus()
  } else return
  event.preventDefault()
  event.stopPropagation()
}

/** The picture beside it, or the nearest of the row above or below. */
function beside(cell, key) {
  const all = cells()
  const at = all.indexOf(cell)
  if (key === 'ArrowLeft') return all[at - 1]
  if (key === 'ArrowRight') return all[at + 1]
  const { left, width, top } = cell.getBoundingClientRect()
  const middle = left + width / 2
  const others = (key === 'ArrowDown' ? all.slice(at + 1) : all.slice(0, at).reverse()).map(other => ({
    other,
    box: other.getBoundingClientRect(),
  }))
  const row = others.find(({ box }) => Math.abs(box.top - top) > NEAR)?.box.top
  return others
    .filter(({ box }) => row !== undefined && Math.abs(box.top - row) <= NEAR)
    .sort((a, b) => distance(a.box, middle) - distance(b.box, middle))[0]?.other
}

function distance({ left, width }, middle) {
  return Math.abs(left + width / 2 - middle)
}

/** A box drawn with mouse or pen over the page; fingers scroll. */
function startBox(page) {
  let from = null
  let frame = null
  let before = []
  page.addEventListener('pointerdown', event => {
    isSpent = false
    if (event.pointerType === 'touch' || event.button !== 0) return
    if (event.target.closest('button,input,label,select,summary,form,nav,header,dialog')) return
    // Not the scroll bar.
    if (event.clientX >= document.documentElement.clientWidth) return
    from = { x: event.pageX, y: event.pageY, adds: event.ctrlKey || event.metaKey || event.shiftKey }
    before = boxes().map(box => [box, box.checked])
  })
  addEventListener('pointermove', event => {
    if (!from) return
    if (!frame) {
      if (Math.hypot(event.pageX - from.x, event.pageY - from.y) < NEAR) return
      frame = document.createElement('div')
      frame.className = 'select-box'
      document.body.append(frame)
      getSelection()?.removeAllRanges()
      list.classList.add('boxing')
    }
    draw(event)
    if (event.clientY < 48) scrollBy(0, -16)
    if (event.clientY > innerHeight - 48) scrollBy(0, 16)
  })
  const end = restores => {
    if (frame && restores) for (const [box, checked] of before) box.checked = checked
    if (frame) isSpent = !restores
    frame?.remove()
    list.classList.remove('boxing')
    frame = null
    from = null
    tell()
  }
  addEventListener('pointerup', () => end(false))
  addEventListener('pointercancel', () => end(true))
  addEventListener(
    'keydown',
    event => {
      if (event.key !== 'Escape' || !frame) return
      end(true)
      event.preventDefault()
      event.stopImmediatePropagation()
    },
    true,
  )

  function draw(event) {
    const [left, right] = [from.x, event.pageX].sort((a, b) => a - b)
    const [top, bottom] = [from.y, event.pageY].sort((a, b) => a - b)
    Object.assign(frame.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    })
    const was = new Map(before)
    for (const cell of cells()) {
      const box = cell.getBoundingClientRect()
      const [x, y] = [box.left + scrollX, box.top + scrollY]
      const isIn = x < right && x + box.width > left && y < bottom && y + box.height > top
      boxOf(cell).checked = isIn || (from.adds && was.get(boxOf(cell)) === true)
    }
    tell()
  }
}

/** A long press selects, and a swipe from there on selects what it passes. */
function startTouch() {
  let timer
  let from = null
  let isHeld = false
  list.addEventListener('pointerdown', event => {
    const cell = event.target.closest('.cell')
    if (event.pointerType !== 'touch' || !cell || event.target.closest('.pick')) return
    from = { x: event.clientX, y: event.clientY, cell }
    timer = setTimeout(() => {
      isHeld = true
      isSpent = true
      toggle(cell)
      navigator.vibrate?.(10)
    }, LONG_PRESS_MS)
  })
  list.addEventListener('pointermove', event => {
    if (from && !isHeld && Math.hypot(event.clientX - from.x, event.clientY - from.y) > NEAR) forget()
  })
  list.addEventListener(
    'touchmove',
    event => {
      if (!isHeld) return
      event.preventDefault()
      const { clientX, clientY } = event.touches[0]
      const over = document.elementFromPoint(clientX, clientY)?.closest('.cell')
      if (over) range(from.cell, over, boxOf(from.cell).checked)
      if (clientY < 80) scrollBy(0, -12)
      if (clientY > innerHeight - 120) scrollBy(0, 12)
    },
    { passive: false },
  )
  list.addEventListener('contextmenu', event => {
    if (from || isHeld) event.preventDefault()
  })
  for (const name of ['touchend', 'touchcancel', 'pointercancel']) list.addEventListener(name, forget)

  function forget() {
    clearTimeout(timer)
    from = null
    isHeld = false
  }
}
