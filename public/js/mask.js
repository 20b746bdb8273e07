const editor = document.getElementById('mask-editor')
const sheet = editor.querySelector('.mask-sheet')
const picture = sheet.querySelector('img')
const size = document.getElementById('brush-size')
const problem = document.getElementById('mask-problem')
const { naturalWidth, naturalHeight } = await loaded(picture)

// As large as the picture, or as browsers can draw: what is painted is what is sent, pixel by pixel.
const canvas = document.createElement('canvas')
canvas.width = editor.dataset.width
canvas.height = editor.dataset.height
const paint = canvas.getContext('2d')
const ring = document.createElement('span')
ring.className = 'brush-ring'
const base = editor.dataset.mask ? await loaded(Object.assign(new Image(), { src: editor.dataset.mask })) : null
sheet.querySelector('.mask-over')?.remove()
sheet.append(canvas, ring)

let tool = 'brush'
let zoom = 1
/** What was done, in order; `done` of them are to be seen. */
let steps = []
let done = 0
let stroke = null
let isSpaceDown = false
const pointers = new Map()

const acts = {
  undo: () => travel(done - 1),
  redo: () => travel(done + 1),
  invert: () => add({ kind: 'invert' }),
  clear: () => add({ kind: 'clear' }),
  'zoom-in': () => zoomTo(zoom * 1.5),
  'zoom-out': () => zoomTo(zoom / 1.5),
  fit: () => zoomTo(fitting()),
  save,
}

for (const button of document.querySelectorAll('[data-tool]'))
  button.addEventListener('click', () => take(button.dataset.tool))
for (const button of document.querySelectorAll('.mask-tools [data-act]'))
  button.addEventListener('click', () => acts[button.dataset.act]())
canvas.addEventListener('pointerdown', onDown)
canvas.addEventListener('pointermove', onMove)
for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, onUp)
canvas.addEventListener('pointerleave', () => {
  ring.hidden = true
})
editor.addEventListener('wheel', onWheel, { passive: false })
document.addEventListener('keydown', onKey)
document.addEventListener('keyup', event => {
  if (event.key === ' ') isSpaceDown = false
})
addEventListener('resize', () => zoomTo(Math.max(zoom, fitting())))

travel(0)
editor.classList.add('ready')
zoomTo(fitting())

function loaded(image) {
  return image.decode().then(() => image)
}

function take(name) {
  tool = name
  for (const button of document.querySelectorAll('[data-tool]')) {
    button.setAttribute('aria-pressed', String(button.dataset.tool === name))
  }
}

/** Width of the brush in pixels of the canvas: fine steps for small ones. */
function brushWidth() {
  const share = (Number(size.value) / 100) ** 2
  return Math.max(2, share * Math.max(canvas.width, canvas.height) * 0.4)
}

function onDown(event) {
  event.preventDefault()
  editor.focus({ preventScroll: true })
  canvas.setPointerCapture(event.pointerId)
  pointers.set(event.pointerId, event)
  if (pointers.size > 1) {
    // A second finger: the first did not mean to paint.
    if (stroke) travel(done)
    stroke = null
    return
  }
  if (isSpaceDown || event.button === 1) return
  if (event.button !== 0) return
  stroke = {
    kind: 'stroke',
    erases: tool === 'eraser' || event.buttons === 32,
    width: brushWidth(),
    points: [at(event)],
  }
  draw(stroke, 0)
}

function onMove(event) {
  showRing(event)
  const before = pointers.get(event.pointerId)
  if (!before) return
  if (pointers.size === 2) pinch(event)
  else if (stroke) {
    const from = stroke.points.length
    const parts = event.getCoalescedEvents?.() ?? []
    for (const part of parts.length > 0 ? parts : [event]) stroke.points.push(at(part))
    draw(stroke, from)
  } else editor.scrollBy(before.clientX - event.clientX, before.clientY - event.clientY)
  pointers.set(event.pointerId, event)
}

function onUp(event) {
  pointers.delete(event.pointerId)
  if (!stroke) return
  const finished = stroke
  stroke = null
  remember(finished)
}

/** Two fingers: as far apart as they go, and where their middle goes. */
function pinch(event) {
  const other = [...pointers.values()].find(each => each.pointerId !== event.pointerId)
  const before = pointers.get(event.pointerId)
  const distance = each => Math.hypot(each.clientX - other.clientX, each.clientY - other.clientY)
  const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 }
  editor.scrollBy((before.clientX - event.clientX) / 2, (before.clientY - event.clientY) / 2)
  zoomTo(zoom * (distance(event) / Math.max(1, distance(before))), middle)
}

function onWheel(event) {
  if (!event.ctrlKey && !event.metaKey) return
  event.preventDefault()
  zoomTo(zoom * Math.exp(-event.deltaY / 300), event)
}

function onKey(event) {
  if (event.target.closest('input:not([type="range"]),textarea,select') || document.querySelector('dialog[open]'))
    return
  const key = event.key.toLowerCase()
  if (event.ctrlKey || event.metaKey) {
    if (key !== 'z' && key !== 'y') return
    event.preventDefault()
    acts[key === 'y' || event.shiftKey ? 'redo' : 'undo']()
    return
  }
  const act = {
    b: () => take('brush'),
    e: () => take('eraser'),
    '[': () => widen(-5),
    ']': () => widen(5),
    '+': acts['zoom-in'],
    '=': acts['zoom-in'],
    '-': acts['zoom-out'],
    0: acts.fit,
  }[key]
  if (key === ' ' && event.target === editor) isSpaceDown = true
  else if (!act) return
  event.preventDefault()
  act?.()
}

function widen(by) {
  size.value = Number(size.value) + by
}

function at({ clientX, clientY }) {
  const { left, top, width } = canvas.getBoundingClientRect()
  const scale = canvas.width / width
  return [(clientX - left) * scale, (clientY - top) * scale]
}

function add(step) {
  apply(step)
  remember(step)
}

function remember(step) {
  steps = [...steps.slice(0, done), step]
  done = steps.length
  offer()
}

/** Back or forth: everything that counts is painted anew, which costs less memory than keeping pictures. */
function travel(to) {
  if (to < 0 || to > steps.length) return
  done = to
  paint.globalCompositeOperation = 'source-over'
  paint.clearRect(0, 0, canvas.width, canvas.height)
  if (base) {
    fill('source-over')
    paint.globalCompositeOperation = 'destination-out'
    paint.drawImage(base, 0, 0, canvas.width, canvas.height)
  }
  for (const step of steps.slice(0, done)) apply(step)
  offer()
}

function apply(step) {
  if (step.kind === 'clear') paint.clearRect(0, 0, canvas.width, canvas.height)
  else if (step.kind === 'invert') fill('source-out')
  else draw(step, 0)
}

function fill(operation) {
  paint.globalCompositeOperation = operation
  paint.fillStyle = '#e0452b'
  paint.fillRect(0, 0, canvas.width, canvas.height)
}

/** The part of a stroke from its point `from` on. */
function draw({ erases, width, points }, from) {
  paint.globalCompositeOperation = erases ? 'destination-out' : 'source-over'
  paint.strokeStyle = '#e0452b'
  paint.lineWidth = width
  paint.lineCap = paint.lineJoin = 'round'
  paint.beginPath()
  const [first, ...rest] = points.slice(Math.max(0, from - 1))
  paint.moveTo(...first)
  if (rest.length === 0) paint.lineTo(...first)
  for (const point of rest) paint.lineTo(...point)
  paint.stroke()
}

function offer() {
  document.querySelector('[data-act="undo"]').disabled = done === 0
  document.querySelector('[data-act="redo"]').disabled = done === steps.length
}

/** The zoom, in CSS pixels for one of the picture's, at which all of it is to be seen. */
function fitting() {
  return Math.min(1, editor.clientWidth / naturalWidth, editor.clientHeight / naturalHeight)
}

/** Zooms so that what is under `middle` stays there. */
function zoomTo(to, middle) {
  const box = editor.getBoundingClientRect()
  const x = middle ? middle.clientX - box.left : box.width / 2
  const y = middle ? middle.clientY - box.top : box.height / 2
  const left = (editor.scrollLeft + x) / zoom
  const top = (editor.scrollTop + y) / zoom
  zoom = Math.min(8, Math.max(Math.min(fitting(), 1), to))
  sheet.style.width = `${naturalWidth * zoom}px`
  sheet.style.height = `${naturalHeight * zoom}px`
  editor.scrollTo({ left: left * zoom - x, top: top * zoom - y, behavior: 'instant' })
}

function showRing(event) {
  const { left, top } = sheet.getBoundingClientRect()
  const width = (brushWidth() * naturalWidth * zoom) / canvas.width
  ring.hidden = event.pointerType === 'touch' || isSpaceDown
  ring.style.width = ring.style.height = `${width}px`
  ring.style.translate = `${event.clientX - left - width / 2}px ${event.clientY - top - width / 2}px`
}

/** Opaque black, with holes where it was painted: no half-way pixels, so what may change is unmistakable. */
function asMask() {
  const mask = document.createElement('canvas')
  mask.width = canvas.width
  mask.height = canvas.height
  const context = mask.getContext('2d')
  const rows = 256
  for (let y = 0; y < canvas.height; y += rows) {
    const part = paint.getImageData(0, y, canvas.width, Math.min(rows, canvas.height - y))
    const { data } = part
    for (let i = 0; i < data.length; i += 4) {
      data[i + 3] = data[i + 3] < 128 ? 255 : 0
      data[i] = data[i + 1] = data[i + 2] = 0
    }
    context.putImageData(part, 0, y)
  }
  return new Promise(resolve => mask.toBlob(resolve, 'image/png'))
}

async function save() {
  const button = document.querySelector('[data-act="save"]')
  button.disabled = true
  try {
    const form = new FormData()
    form.append('reference', editor.dataset.token)
    form.append('file', await asMask(), 'mask.png')
    const answer = await fetch('/images/masks', { method: 'POST', headers: { 'HX-Request': 'true' }, body: form })
    if (answer.ok) {
      location.href = answer.headers.get('HX-Redirect')
      return
    }
    const html = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const sentence = html.querySelector('#mask-error') ?? html.querySelector('.notice p')
    problem.replaceChildren(sentence ?? problem.dataset.failed)
  } catch {
    problem.textContent = problem.dataset.failed
  }
  button.disabled = false
}
