const form = document.getElementById('marks')
const stage = form.querySelector('.derive-stage')
const sheet = form.querySelector('.derive-sheet')
const size = { width: Number(form.dataset.width), height: Number(form.dataset.height) }
const rows = [...form.querySelectorAll('.mark-row')]
const SVG = 'http://www.w3.org/2000/svg'
/** A head of an arrow, to its length. */
const BARB = 0.5

const over = document.createElementNS(SVG, 'svg')
over.setAttribute('class', 'marks-over')
over.setAttribute('viewBox', `0 0 ${size.width} ${size.height}`)
sheet.append(over)
stage.classList.add('ready')

let kind = 'circle'
let drag = null

for (const button of form.querySelectorAll('[data-kind]')) {
  button.addEventListener('click', () => {
    kind = button.dataset.kind
    for (const each of form.querySelectorAll('[data-kind]')) each.setAttribute('aria-pressed', String(each === button))
  })
}
over.addEventListener('pointerdown', event => {
  const row = rows.find(each => !field(each, 'kind').value)
  if (event.button !== 0 || !row) return
  event.preventDefault()
  over.setPointerCapture(event.pointerId)
  drag = row
  field(row, 'kind').value = kind
  const [x, y] = at(event)
  set(row, { x, y, tx: x, ty: y })
  show()
})
over.addEventListener('pointermove', event => {
  if (!drag) return
  const [tx, ty] = at(event)
  set(drag, field(drag, 'kind').value === 'dot' ? { x: tx, y: ty, tx, ty } : { tx, ty })
  show()
})
over.addEventListener('pointerup', () => {
  if (!drag) return
  field(drag, 'words').focus()
  drag = null
})
over.addEventListener('pointercancel', () => {
  if (drag) field(drag, 'kind').value = ''
  drag = null
  show()
})
form.addEventListener('input', event => {
  const row = event.target.closest('.mark-row')
  // One that is chosen by keys begins in the middle; its numbers move it.
  if (event.target.name?.startsWith('kind') && event.target.value && field(row, 'x').value === '') {
    set(row, { x: size.width * 0.4, y: size.height * 0.4, tx: size.width * 0.6, ty: size.height * 0.6 })
  }
  show()
})
new ResizeObserver(show).observe(stage)
show()

function field(row, name) {
  return form.elements[`${name}${row.dataset.row}`]
}

function set(row, places) {
  for (const [name, value] of Object.entries(places)) field(row, name).value = String(Math.round(value))
}

function at({ clientX, clientY }) {
  const { left, top, width, height } = over.getBoundingClientRect()
  const within = (value, most) => Math.min(most, Math.max(0, value))
  return [
    within(((clientX - left) / width) * size.width, size.width),
    within(((clientY - top) / height) * size.height, size.height),
  ]
}

function show() {
  const scale = Math.min(stage.clientWidth / size.width, stage.clientHeight / size.height, 1)
  Object.assign(sheet.style, {
    width: `${size.width * scale}px`,
    height: `${size.height * scale}px`,
    translate: '-50% -50%',
  })
  over.replaceChildren(...rows.flatMap(drawn))
  // Those that are used, and the next.
  const used = rows.map(row => Boolean(field(row, 'kind').value || field(row, 'words').value))
  const last = used.lastIndexOf(true)
  for (const [index, row] of rows.entries()) row.hidden = index > last + 1
}

function drawn(row) {
  if (!field(row, 'kind').value) return []
  const [x, y, x2, y2] = ['x', 'y', 'tx', 'ty'].map(name => Number(field(row, name).value) || 0)
  const { color } = row.dataset
  const shape = (name, attributes) => {
    const element = document.createElementNS(SVG, name)
    for (const [key, value] of Object.entries({ stroke: color, ...attributes })) element.setAttribute(key, value)
    return element
  }
  switch (field(row, 'kind').value) {
    case 'dot':
      return [shape('circle', { cx: x, cy: y, r: Math.max(size.width, size.height) / 70, fill: color })]
    case 'circle': {
      const [rx, ry] = [Math.abs(x2 - x) / 2, Math.abs(y2 - y) / 2]
      return [shape('ellipse', { cx: (x + x2) / 2, cy: (y + y2) / 2, rx, ry })]
    }
    default: {
      const angle = Math.atan2(y2 - y, x2 - x)
      const head = Math.max(size.width, size.height) / 32
      const barb = turn => `${x2 - head * Math.cos(angle + turn)} ${y2 - head * Math.sin(angle + turn)}`
      return [shape('path', { d: `M${x} ${y}L${x2} ${y2}M${barb(BARB)}L${x2} ${y2}L${barb(-BARB)}` })]
    }
  }
}
