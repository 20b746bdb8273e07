const compare = document.getElementById('compare')
const range = document.getElementById('compare-at')
const amplify = document.getElementById('compare-amplify')

for (const button of document.querySelectorAll('[data-mode]'))
  button.addEventListener('click', () => show(button.dataset.mode))
range.addEventListener('input', divide)
amplify.addEventListener('input', strengthen)
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
  if (compare.matches('.over')) event.preventDefault()
})
compare.style.setProperty('--ratio', compare.dataset.ratio)
show('slider')

function show(mode) {
  compare.classList.toggle('over', mode !== 'side')
  compare.classList.toggle('slider', mode === 'slider')
  compare.classList.toggle('difference', mode === 'difference')
  document.getElementById('compare-difference').hidden = mode !== 'difference'
  range.hidden = mode !== 'slider'
  for (const button of document.querySelectorAll('[data-mode]')) {
    button.setAttribute('aria-pressed', String(button.dataset.mode === mode))
  }
  for (const link of compare.querySelectorAll('a')) link.tabIndex = mode === 'side' ? 0 : -1
  divide()
  strengthen()
}

function follow(event) {
  const { left, width } = compare.getBoundingClientRect()
  range.value = ((event.clientX - left) / width) * 100
  divide()
}

function divide() {
  compare.style.setProperty('--at', `${range.value}%`)
}

/** A difference that no eye would see is one all the same: so many times as bright. */
function strengthen() {
  compare.style.setProperty('--amplify', amplify.value)
  document.querySelector('[for="compare-amplify"]').value = `× ${amplify.value}`
}
