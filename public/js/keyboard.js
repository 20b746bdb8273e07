/** Single keys, never while typing: `?` list, `/` search or prompt, `n` new picture, arrows between pictures. */
export function start() {
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event) || event.defaultPrevented) return
    if (event.target.closest('input,textarea,select,[contenteditable]') || document.querySelector('dialog[open]'))
      return
    const act = actions[event.key]
    if (act?.()) event.preventDefault()
  })
}

/** A key that belongs to an input method: 229 is how Safari tells of the Enter that ends a composition, after it has ended. */
export function isWriting({ isComposing, keyCode }) {
  return isComposing || keyCode === 229
}

const actions = {
  '?': () => {
    const list = document.getElementById('keyboard')
    list?.showModal()
    return list
  },
  '/': () => focus('[type="search"]') || goToPrompt(),
  n: () => press('.conversations .new') || goToPrompt(),
  ArrowLeft: () => press('a[rel="prev"]'),
  ArrowRight: () => press('a[rel="next"]'),
  f: () => press('.picture-page [name="favourite"]'),
  Delete: () => press('.picture-page .delete button'),
}

function goToPrompt() {
  return focus('#prompt') || press('.tab[href="/images"]')
}

function focus(selector) {
  const element = document.querySelector(selector)
  element?.focus()
  return element
}

function press(selector) {
  const element = document.querySelector(selector)
  element?.click()
  return element
}
