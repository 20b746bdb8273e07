let hide

/** Shows `text` for six seconds, longer while the pointer rests on it; one at a time. */
export function toast(text) {
  const region = document.getElementById('toasts')
  const line = document.createElement('p')
  line.textContent = text
  region.replaceChildren(line)
  const close = () => line.remove()
  const wait = () => {
    clearTimeout(hide)
    hide = setTimeout(close, 6000)
  }
  line.addEventListener('pointerenter', () => clearTimeout(hide))
  line.addEventListener('pointerleave', wait)
  wait()
}
