const form = document.getElementById('extend')
const stage = form.querySelector('.derive-stage')
const sheet = form.querySelector('.derive-sheet')
const canvas = document.getElementById('extend-canvas')
const size = { width: Number(form.dataset.width), height: Number(form.dataset.height) }
const sides = ['left', 'top', 'right', 'bottom']
const MOST = 20_000
const edges = { nw: [0, 0], n: [1, 0], ne: [2, 0], e: [2, 1], se: [2, 2], s: [1, 2], sw: [0, 2], w: [0, 1] }

let scale = 1
let drag = null

for (const [name, [across, down]] of Object.entries(edges)) {
  const handle = document.createElement('span')
  handle.dataset.edges = name
  handle.style.left = `${across * 50}%`
  handle.style.top = `${down * 50}%`
  canvas.append(handle)
}
canvas.hidden = false
stage.classList.add('ready')
canvas.addEventListener('pointerdown', event => {
  if (event.button !== 0) return
  event.preventDefault()
  canvas.focus({ preventScroll: true })
  canvas.setPointerCapture(event.pointerId)
  drag = { from: event, added: added(), edges: event.target.dataset.edges ?? '' }
})
canvas.addEventListener('pointermove', event => {
  if (!drag) return
  const [across, down] = [event.clientX - drag.from.clientX, event.clientY - drag.from.clientY]
  set(moved(drag.added, drag.edges, across / scale, down / scale))
  // The scale stays until it is let go: an edge must not run away from the finger.
  place()
})
for (const end of ['pointerup', 'pointercancel']) {
  canvas.addEventListener(end, () => {
    drag = null
    show()
  })
}
canvas.addEventListener('keydown', event => {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
  if (!way || event.metaKey) return
  event.preventDefault()
  const step = event.shiftKey ? 64 : 16
  const by = event.altKey || event.ctrlKey ? (way[0] ? 'e' : 's') : ''
  set(moved(added(), by, way[0] * step, way[1] * step))
  show()
})
form.addEventListener('input', event => {
  if (event.target.name === 'ratio') shape()
  else form.elements.ratio.value = 'free'
  show()
})
new ResizeObserver(show).observe(stage)
show()

/** The form is what is asked for. */
function added() {
  return Object.fromEntries(
    sides.map(side => {
      const typed = Math.round(Number(form.elements[side].value))
      return [side, Number.isFinite(typed) ? Math.min(MOST, Math.max(0, typed)) : 0]
    }),
  )
}

function set(wanted) {
  for (const side of sides) form.elements[side].value = String(Math.min(MOST, Math.max(0, Math.round(wanted[side]))))
  form.elements.ratio.value = 'free'
}

/** The canvas by its edges, or the picture on it, which stays within. */
function moved({ left, top, right, bottom }, by, across, down) {
  if (by !== '') {
    return {
      left: by.includes('w') ? left - across : left,
      top: by.includes('n') ? top - down : top,
      right: by.includes('e') ? right + across : right,
      bottom: by.includes('s') ? bottom + down : bottom,
    }
  }
  const x = Math.min(right, Math.max(-left, across))
  const y = Math.min(bottom, Math.max(-top, down))
  return { left: left + x, top: top + y, right: right - x, bottom: bottom - y }
}

/** The smallest canvas of the chosen ratio about what there is. */
function shape() {
  const chosen = form.elements.ratio.value
  const [across, down] = chosen.split(':').map(Number)
  if (!down) return
  const now = added()
  const [width, height] = [size.width + now.left + now.right, size.height + now.top + now.bottom]
  const wider = Math.max(0, Math.round((height * across) / down) - width)
  const taller = Math.max(0, Math.round((width * down) / across) - height)
  set({
    left: now.left + Math.floor(wider / 2),
    right: now.right + Math.ceil(wider / 2),
    top: now.top + Math.floor(taller / 2),
    bottom: now.bottom + Math.ceil(taller / 2),
  })
  form.elements.ratio.value = chosen
}

function show() {
  const { left, top, right, bottom } = added()
  const [width, height] = [size.width + left + right, size.height + top + bottom]
  if (!drag) scale = Math.min((stage.clientWidth - 96) / width, (stage.clientHeight - 96) / height, 1)
  place()
}

function place() {
  const { left, top, right, bottom } = added()
  const [width, height] = [size.width + left + right, size.height + top + bottom]
  // About the middle of the canvas as it was when it was taken.
  const was = drag?.added ?? { left, top, right, bottom }
  const middleX = stage.clientWidth / 2 - ((size.width + was.left + was.right) * scale) / 2 + was.left * scale
  const middleY = stage.clientHeight / 2 - ((size.height + was.top + was.bottom) * scale) / 2 + was.top * scale
  const isMoved = drag?.edges === ''
  const x = isMoved ? middleX - was.left * scale + left * scale : middleX
  const y = isMoved ? middleY - was.top * scale + top * scale : middleY
  Object.assign(sheet.style, {
    left: `${x}px`,
    top: `${y}px`,
    width: `${size.width * scale}px`,
    height: `${size.height * scale}px`,
  })
  Object.assign(canvas.style, {
    left: `${x - left * scale}px`,
    top: `${y - top * scale}px`,
    width: `${width * scale}px`,
    height: `${height * scale}px`,
  })
  document.getElementById('extend-size').value = `${width} × ${height}`
}
