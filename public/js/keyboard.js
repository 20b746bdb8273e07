import { ofPicture } from './picture-keys.js'

/** Between the keys of a command of several, milliseconds. */
const PAUSE = 1500

let begun = ''
let forget

/** Keys that do something wherever one is, as the `?` sheet says; never while typing, but for Ctrl+K. */
export function start() {
  document.addEventListener('keydown', event => {
    if (isWriting(event) || event.altKey || event.defaultPrevented) return
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() === 'k' && !event.shiftKey && acts.palette()) event.preventDefault()
      return
    }
    if (event.target.closest('input,textarea,select,[contenteditable]') || document.querySelector('dialog[open]'))
      return
    if (onKey(event.key)) event.preventDefault()
  })
  document.addEventListener('click', event => {
    const link = event.target.closest('[data-palette]')
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return
    if (acts.palette()) event.preventDefault()
  })
}

/** A key that belongs to an input method: 229 is how Safari tells of the Enter that ends a composition, after it has ended. */
export function isWriting({ isComposing, keyCode }) {
  return isComposing || keyCode === 229
}

/** Does what a command is for: its element says it, see `src/web/commands.ts`. True unless there is nothing here to do it with. */
export function run({ dataset }) {
  if (dataset.act) return acts[dataset.act]()
  if (dataset.press) return press(dataset.press)
  location.assign(dataset.go)
  return true
}

function onKey(key) {
  const keys = begun ? `${begun} ${key}` : key
  clearTimeout(forget)
  begun = ''
  const commands = [...document.querySelectorAll('#keyboard [data-keys]')]
  const command = commands.find(({ dataset }) => dataset.keys === keys)
  if (command) return run(command)
  if (commands.some(({ dataset }) => dataset.keys.startsWith(`${keys} `))) {
    begun = keys
    forget = setTimeout(() => {
      begun = ''
    }, PAUSE)
    return true
  }
  return ofThePage[key]?.()
}

const acts = {
  list: () => {
    const list = document.getElementById('keyboard')
    list?.showModal()
    return list
  },
  search: () => focus('[type="search"]') || goToPrompt(),
  new: () => press('.conversations .new') || goToPrompt(),
  find: () => {
    document.getElementById('chat-menu')?.showPopover()
    return focus('#chat-menu [name="find"]') || press('.tab[href="/chat"]')
  },
  palette: () => {
    const palette = document.getElementById('palette')
    if (!palette) return focus('#palette-words')
    // At once: what is typed next is meant for it.
    palette.showModal()
    import('./palette.js').then(
      ({ fill }) => fill(palette),
      () => location.assign('/palette'),
    )
    return true
  },
}

const ofThePage = {
  ...ofPicture,
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
