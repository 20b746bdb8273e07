const form = document.getElementById('crop')
const stage = form.querySelector('.derive-stage')
const sheet = form.querySelector('.derive-sheet')
const frame = document.getElementById('crop-frame')
const size = { width: Number(form.dataset.width), height: Number(form.dataset.height) }
/** Smaller than this nothing is dragged by hand, pixels of the picture. */
const LEAST = 16
/** Of the edges: where across, where down, in half pictures. */
const edges = { nw: [0, 0], n: [1, 0], ne: [2, 0], e: [2, 1], se: [2, 2], s: [1, 2], sw: [0, 2], w: [0, 1] }

let scale = 1
let drag = null

for (const [name, [across, down]] of Object.entries(edges)) {
  const handle = document.createElement('span')
  handle.dataset.edges = name
  handle.style.left = `${across * 50}%`
  handle.style.top = `${down * 50}%`
  frame.append(handle)
}
frame.hidden = false
stage.classList.add('ready')
frame.addEventListener('pointerdown', onDown)
frame.addEventListener('pointermove', onMove)
for (const end of ['pointerup', 'pointercancel']) frame.addEventListener(end, onUp)
frame.addEventListener('keydown', onKey)
form.addEventListener('input', event => {
  if (event.target.name === 'ratio') set(shaped(area()))
  show()
})
for (const button of form.querySelectorAll('[data-act]')) {
  button.addEventListener('click', () => {
    acts[button.dataset.act]()
    show()
  })
}
new ResizeObserver(show).observe(stage)
show()

// What is seen is turned, then mirrored: a turn of what is mirrored goes the other way round.
const acts = {
  left: () => turnBy(isMirrored() ? 90 : 270),
  right: () => turnBy(isMirrored() ? 270 : 90),
  across: mirror,
  down() {
    mirror()
    turnBy(180)
  },
  whole() {
    form.elements.ratio.value = 'free'
    set({ x: 0, y: 0, ...size })
  },
}

function turnBy(degrees) {
  form.elements.turn.value = String((turn() + degrees) % 360)
}

function mirror() {
  form.elements.mirror.checked = !isMirrored()
}

function turn() {
  return Number(form.elements.turn.value)
}

function isMirrored() {
  return form.elements.mirror.checked
}

/** The form is what is asked for; what is typed into it that is none counts as the whole. */
function area() {
  const number = (name, least, most) => {
    const typed = Math.round(Number(form.elements[name].value))
    return Number.isFinite(typed) ? Math.min(most, Math.max(least, typed)) : least
  }
  const x = number('x', 0, size.width - 1)
  const y = number('y', 0, size.height - 1)
  return { x, y, width: number('width', 1, size.width - x), height: number('height', 1, size.height - y) }
}

function set(wanted) {
  for (const name of ['x', 'y', 'width', 'height']) form.elements[name].value = String(Math.round(wanted[name]))
}

function ratio() {
  const [across, down] = form.elements.ratio.value.split(':').map(Number)
  return down ? across / down : null
}

/** The largest part of an area that has the chosen ratio, about its middle. */
function shaped({ x, y, width, height }) {
  const wanted = ratio()
  if (!wanted) return { x, y, width, height }
  const across = Math.min(width, Math.round(height * wanted))
  const down = Math.min(height, Math.round(across / wanted))
  return {
    x: x + Math.floor((width - across) / 2),
    y: y + Math.floor((height - down) / 2),
    width: across,
    height: down,
  }
}

function show() {
  const isAcross = turn() % 180 === 90
  const [width, height] = isAcross ? [size.height, size.width] : [size.width, size.height]
  scale = Math.min((stage.clientWidth - 32) / width, (stage.clientHeight - 32) / height, 1)
  sheet.style.width = `${size.width * scale}px`
  sheet.style.height = `${size.height * scale}px`
  sheet.style.transform = `translate(-50%, -50%) scaleX(${isMirrored() ? -1 : 1}) rotate(${turn()}deg)`
  const shown = area()
  frame.style.left = `${shown.x * scale}px`
  frame.style.top = `${shown.y * scale}px`
  frame.style.width = `${shown.width * scale}px`
  frame.style.height = `${shown.height * scale}px`
  const [across, down] = isAcross ? [shown.height, shown.width] : [shown.width, shown.height]
  document.getElementById('crop-size').value = `${across} × ${down}`
}

function onDown(event) {
  if (event.button !== 0) return
  event.preventDefault()
  frame.focus({ preventScroll: true })
  frame.setPointerCapture(event.pointerId)
  drag = { from: event, area: area(), edges: event.target.dataset.edges ?? '' }
}

function onMove(event) {
  if (!drag) return
  const [across, down] = unturned(event.clientX - drag.from.clientX, event.clientY - drag.from.clientY)
  set(moved(drag.area, drag.edges, across / scale, down / scale))
  show()
}

function onUp() {
  drag = null
}

/** A way on the screen as a way on the picture. */
function unturned(across, down) {
  return along(turn(), isMirrored() ? -across : across, down)
}

function along(degrees, across, down) {
  if (degrees === 90) return [down, -across]
  if (degrees === 180) return [-across, -down]
  return degrees === 270 ? [-down, across] : [across, down]
}

/** An area moved as a whole, or by some of its edges, within the picture and in the ratio that is chosen. */
function moved({ x, y, width, height }, by, across, down) {
  if (by === '') {
    return {
      x: Math.min(size.width - width, Math.max(0, x + across)),
      y: Math.min(size.height - height, Math.max(0, y + down)),
      width,
      height,
    }
  }
  let [left, top, right, bottom] = [x, y, x + width, y + height]
  if (by.includes('w')) left = Math.max(0, Math.min(right - LEAST, left + across))
  if (by.includes('e')) right = Math.min(size.width, Math.max(left + LEAST, right + across))
  if (by.includes('n')) top = Math.max(0, Math.min(bottom - LEAST, top + down))
  if (by.includes('s')) bottom = Math.min(size.height, Math.max(top + LEAST, bottom + down))
  const wanted = ratio()
  if (wanted) {
    // The edge that was not taken follows; where it cannot, the other gives way.
    const leads = by === 'n' || by === 's' ? (bottom - top) * wanted : right - left
    const most = Math.min(
      leads,
      by.includes('w') ? right : size.width - left,
      (by.includes('n') ? bottom : size.height - top) * wanted,
    )
    if (by.includes('w')) left = right - most
    else right = left + most
    if (by.includes('n')) top = bottom - most / wanted
    else bottom = top + most / wanted
  }
  return rounded(left, top, right, bottom)
}

function rounded(left, top, right, bottom) {
  const [x, y] = [Math.round(left), Math.round(top)]
  return { x, y, width: Math.max(1, Math.round(right) - x), height: Math.max(1, Math.round(bottom) - y) }
}

function onKey(event) {
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key]
  if (!way || event.metaKey) return
  event.preventDefault()
  const step = event.shiftKey ? 10 : 1
  const [across, down] = unturned(way[0] * step, way[1] * step)
  // By the edges that are below and to the right of what is seen, whichever they are of the picture.
  const by = event.altKey || event.ctrlKey ? farEdge(way) : ''
  set(moved(area(), by, across, down))
  show()
}

function farEdge([isAcross]) {
  const [across, down] = unturned(isAcross ? 1 : 0, isAcross ? 0 : 1)
  if (across) return across > 0 ? 'e' : 'w'
  return down > 0 ? 's' : 'n'
}
