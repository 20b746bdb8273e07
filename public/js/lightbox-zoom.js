const MOST = 8
const TWICE = 2.5
const SWIPE = 48
const TAP_MS = 300

/**
 * Zooms a picture by two fingers, double tap, double click and wheel, and moves it while it is larger than its place. A swipe of one
 * finger steps, or closes downwards. `closer` is called whenever it is larger than its place.
 */
export function start(stage, { step, close, closer }) {
  const picture = stage.querySelector('img')
  const fingers = new Map()
  let scale = 1
  let [x, y] = [0, 0]
  let began = null
  let tapped = 0
  let isMoved = false
  let isFinger = false

  stage.addEventListener('pointerdown', event => {
    if (event.button !== 0) return
    isFinger = event.pointerType === 'touch'
    fingers.set(event.pointerId, event)
    if (scale > 1 || fingers.size > 1) stage.setPointerCapture(event.pointerId)
    isMoved = false
    begin()
  })
  stage.addEventListener('pointermove', event => {
    if (!fingers.has(event.pointerId)) return
    fingers.set(event.pointerId, event)
    const { middle, spread } = measure()
    if (Math.hypot(middle.x - began.middle.x, middle.y - began.middle.y) > 6) isMoved = true
    if (fingers.size === 1 && scale === 1) return
    if (fingers.size > 1) zoomTo(began.scale * (spread / began.spread), began.middle, began)
    x += middle.x - began.last.x
    y += middle.y - began.last.y
    began.last = middle
    draw()
  })
  stage.addEventListener('pointerup', event => {
    const first = began?.middle
    const isTouch = event.pointerType === 'touch'
    if (fingers.size === 1 && scale === 1 && isTouch && first) {
      const [across, down] = [event.clientX - first.x, event.clientY - first.y]
      if (Math.abs(across) > SWIPE && Math.abs(across) > Math.abs(down)) step(across < 0 ? 1 : -1)
      else if (down > SWIPE * 2) close()
    }
    if (isTouch && !isMoved && fingers.size === 1) tap(event)
    end(event)
  })
  stage.addEventListener('pointercancel', end)
  stage.addEventListener('dblclick', event => {
    // Some browsers tell of a double tap a second time by this.
    if (event.target === picture && !isFinger) twice(event)
  })
  stage.addEventListener('click', event => {
    if (event.target === stage && !isMoved && scale === 1) close()
  })
  stage.addEventListener('wheel', event => zoomTo(scale * Math.exp(-event.deltaY / 300), point(event)), {
    passive: true,
  })
  picture.addEventListener('dragstart', event => event.preventDefault())

  function tap(event) {
    // Once it is larger than its place, the stage has caught the finger.
    const isSecond = event.timeStamp - tapped < TAP_MS && (scale > 1 || event.target === picture)
    tapped = isSecond ? 0 : event.timeStamp
    if (isSecond) twice(event)
  }

  function twice(event) {
    if (scale > 1) reset()
    else zoomTo(TWICE, point(event))
  }

  function begin() {
    const { middle, spread } = measure()
    began = { middle, spread, scale, last: middle }
  }

  function end(event) {
    fingers.delete(event.pointerId)
    if (fingers.size > 0) begin()
  }

  function measure() {
    const all = [...fingers.values()].slice(0, 2)
    const middle = {
      x: all.reduce((sum, { clientX }) => sum + clientX, 0) / all.length,
      y: all.reduce((sum, { clientY }) => sum + clientY, 0) / all.length,
    }
    const spread = all.length > 1 ? Math.hypot(all[0].clientX - all[1].clientX, all[0].clientY - all[1].clientY) : 1
    return { middle, spread: Math.max(1, spread) }
  }

  /** The point under it stays where it is. */
  function zoomTo(wanted, at) {
    const next = Math.min(MOST, Math.max(1, wanted))
    const box = picture.getBoundingClientRect()
    const [fromX, fromY] = [at.x - box.left - box.width / 2, at.y - box.top - box.height / 2]
    x -= fromX * (next / scale - 1)
    y -= fromY * (next / scale - 1)
    scale = next
    draw()
  }

  function reset() {
    scale = 1
    x = 0
    y = 0
    draw()
  }

  function draw() {
    if (scale === 1) [x, y] = [0, 0]
    // Some of it is always to be seen.
    const reach = { x: (picture.offsetWidth * scale) / 2, y: (picture.offsetHeight * scale) / 2 }
    x = Math.min(reach.x, Math.max(-reach.x, x))
    y = Math.min(reach.y, Math.max(-reach.y, y))
    picture.style.transform = scale === 1 ? '' : `translate(${x}px, ${y}px) scale(${scale})`
    stage.classList.toggle('zoomed', scale > 1)
    if (scale > 1) closer()
  }

  return { reset, by: factor => zoomTo(scale * factor, centre(picture)) }
}

function point({ clientX, clientY }) {
  return { x: clientX, y: clientY }
}

function centre(picture) {
  const { left, top, width, height } = picture.getBoundingClientRect()
  return { x: left + width / 2, y: top + height / 2 }
}
