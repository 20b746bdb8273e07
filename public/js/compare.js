const compare = document.getElementById('compare')
const range = document.getElementById('compare-at')

for (const button of document.querySelectorAll('[data-mode]'))
  button.addEventListener('click', () => show(button.dataset.mode))
range.addEventListener('input', divide)
compare.addEventListener('pointerdown', event => {
  if (!compare.matches('.slider') || event.button !== 0) return
  event.preventDefault()
  compare.setPointerCapture(event.pointerId)
  follow(event)
  range.focus()
})
compare.addEventListener('pointermove', event => {
  if (compare.hasPointerCapture(event.pointerId)) follow(event)
})
// The pictures are links side by side; over each other a press moves the line.
compare.addEventListener('click', event => {
  if (compare.matches('.slider')) event.preventDefault()
})
compare.style.setProperty('--ratio', compare.dataset.ratio)
show('slider')

function show(mode) {
  compare.classList.toggle('slider', mode === 'slider')
  range.hidden = mode !== 'slider'
  for (const button of document.querySelectorAll('[data-mode]')) {
    button.setAttribute('aria-pressed', String(button.dataset.mode === mode))
  }
  for (const link of compare.querySelectorAll('a')) link.tabIndex = mode === 'slider' ? -1 : 0
  divide()
}

function follow(event) {
  const { left, width } = compare.getBoundingClientRect()
  range.value = ((event.clientX - left) / width) * 100
  divide()
}

function divide() {
  compare.style.setProperty('--at', `${range.value}%`)
}
