let hide

/** Shows `text` for six seconds, longer while the pointer rests on it; one at a time. */
export function toast(text) {
  const line = show(text)
  clearTimeout(hide)
  const wait = () => {
    clearTimeout(hide)
    hide = setTimeout(() => line.remove(), 6000)
  }
  line.addEventListener('pointerenter', () => clearTimeout(hide))
  line.addEventListener('pointerleave', wait)
  wait()
}

/** Shows `text` with a button that calls `act`, until the function that comes back is called. */
export function ask(text, words, act) {
  const line = show(text)
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = words
  button.addEventListener('click', act)
  line.append(button)
  return () => line.remove()
}

function show(text) {
  const region = document.getElementById('toasts')
  region.querySelector('p:not(:has(button))')?.remove()
  const line = document.createElement('p')
  line.textContent = text
  region.append(line)
  return line
}
