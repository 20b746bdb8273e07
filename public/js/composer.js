import { isWriting } from './keyboard.js'

/** Ctrl+Enter, earlier prompts, the count of characters, the offered size and the size turned. */
export function start() {
  document.addEventListener('keydown', event => {
    if (
      event.target.id === 'prompt' &&
      event.key === 'Enter' &&
      (event.ctrlKey || event.metaKey) &&
      !isWriting(event)
    ) {
      event.preventDefault()
      event.target.form.requestSubmit()
    }
  })
  document.addEventListener('keydown', event => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key]
    if (event.target.id !== 'prompt' || !step || !event.altKey || isWriting(event)) return
    event.preventDefault()
    void import('./recall.js').then(({ recall }) => recall(event.target, step))
  })
  document.addEventListener('input', event => {
    if (event.target.id === 'prompt') {
      forgive(event.target)
      count(event.target)
    }
    if (event.target.closest('[name="size"], .free-size')) document.getElementById('size-why')?.remove()
  })
  document.addEventListener('click', event => {
    const size = event.target.closest('[data-use-size]')?.dataset.useSize
    if (size) {
      event.preventDefault()
      useSize(size)
    }
    if (event.target.closest('[data-turn-size]')) turnSize()
  })
  // On a phone the composer unfolds for its prompt and stays so while its pickers take the focus away.
  document.addEventListener('focusin', event => {
    if (event.target.closest('#composer :is(.prompt, .options)'))
      document.getElementById('composer').classList.add('open')
  })
  document.addEventListener('pointerdown', event => {
    if (!event.target.closest('#composer')) document.getElementById('composer')?.classList.remove('open')
  })
  document.addEventListener('htmx:after:swap', ({ detail }) => {
    const prompt = document.getElementById('prompt')
    count(prompt)
    // The button was disabled under whoever pressed it: they go on where something is missing.
    if (detail.ctx.sourceElement?.id === 'composer' && prompt?.hasAttribute('aria-invalid')) prompt.focus()
  })
  count(document.getElementById('prompt'))
}

/** What was refused is being mended. */
function forgive(prompt) {
  if (!prompt.hasAttribute('aria-invalid')) return
  prompt.removeAttribute('aria-invalid')
  prompt.setAttribute('aria-describedby', 'prompt-count')
  document.getElementById('prompt-error')?.remove()
}

function count(prompt) {
  const output = document.getElementById('prompt-count')
  if (!prompt || !output) return
  // The server counts code points, as the limit of the model does.
  const length = [...prompt.value].length
  const limit = Number(prompt.dataset.limit)
  const over = length > limit
  const words = over ? output.dataset.over : length > limit * 0.9 ? output.dataset.near : ''
  output.textContent = words.replace('{{count}}', length.toLocaleString()).replace('{{limit}}', limit.toLocaleString())
  output.classList.toggle('over', over)
}

/** Width and height change places; what is `auto` or square stays. */
function turnSize() {
  const { size, width, height } = document.getElementById('composer').elements
  const [wide, high] = size.value === 'custom' ? [width.value, height.value] : size.value.split('x')
  if (high) useSize(`${high}x${wide}`)
}

function useSize(size) {
  const form = document.getElementById('composer')
  const offered = form.elements.size.querySelector(`option[value="${CSS.escape(size)}"]`)
  const [width, height] = size.split('x')
  form.elements.size.value = offered ? size : 'custom'
  form.elements.width.value = width
  form.elements.height.value = height
  for (const name of ['width', 'height', 'size'])
    form.elements[name].dispatchEvent(new Event('input', { bubbles: true }))
}
