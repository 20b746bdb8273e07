import { callOff } from './hold.js'
import { pastedFiles, refusedItem, sentenceOf, upload } from './upload.js'

let number = 0
/** What is on its way: its place in the box → what came of it, null when it came to nothing. */
const coming = new Map()

/** Files by picker, paste and drop: each is uploaded at once, shown with its progress, and sent along by its name. */
export function start() {
  document.addEventListener('change', event => {
    if (!event.target.matches('#chat-composer [type="file"]')) return
    const refused = event.target.closest('.refused-file')
    for (const file of event.target.files) take(file, refused)
    event.target.value = ''
  })
  document.addEventListener('paste', event => {
    const files = pastedFiles(event)
    if (files.length === 0 || !document.getElementById('attachments')) return
    event.preventDefault()
    add(files)
  })
  document.addEventListener('dragover', event => {
    if (!event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    document.querySelector('.chat-box')?.classList.add('dropping')
  })
  document.addEventListener('dragleave', event => {
    if (!event.relatedTarget) document.querySelector('.chat-box')?.classList.remove('dropping')
  })
  document.addEventListener('drop', event => {
    document.querySelector('.chat-box')?.classList.remove('dropping')
    const files = [...(event.dataTransfer?.files ?? [])]
    if (files.length === 0) return
    event.preventDefault()
    add(files)
  })
  document.addEventListener('click', event => {
    const button = event.target.closest('[data-remove]')
    if (!button) return
    // Without this script it asks the server for the form without that file.
    event.preventDefault()
    button.closest('.attachment,.refused-file').remove()
    callOff('missing')
    changed()
  })
}

/** The files in the box; each that is on its way as what will have come of it, or null. */
export function filesInBox() {
  return [...document.getElementById('attachments').children].map(item => coming.get(item) ?? item)
}

function add(files) {
  for (const file of files) take(file)
}

/** `before`: in its place. */
function take(file, before) {
  const list = document.getElementById('attachments')
  const shown = document.createElement('li')
  shown.className = 'attachment uploading'
  shown.id = `upload-${++number}`
  const name = document.createElement('span')
  name.className = 'attached-text'
  name.textContent = file.name
  const progress = document.createElement('progress')
  progress.max = 1
  const cancel = document.createElement('button')
  cancel.type = 'button'
  cancel.className = 'icon-button small'
  cancel.dataset.remove = ''
  cancel.ariaLabel = list.dataset.cancel
  cancel.textContent = '×'
  if (file.type.startsWith('image/')) {
    const preview = document.createElement('img')
    preview.width = preview.height = 56
    preview.alt = ''
    preview.src = URL.createObjectURL(file)
    preview.onload = () => URL.revokeObjectURL(preview.src)
    shown.append(preview)
  } else shown.append(name)
  shown.append(progress, cancel)
  if (before) before.replaceWith(shown)
  else list.append(shown)

  const { answer, stop } = upload(file, '/chat/files', progress)
  cancel.addEventListener('click', () => {
    shown.remove()
    stop()
  })
  coming.set(
    shown,
    answer.then(html => arrive(file.name, shown, html)),
  )
}

/** Puts what the server made of a file into its place. */
function arrive(name, shown, answer) {
  coming.delete(shown)
  if (!shown.isConnected) return null
  const [item = refusedItem(name, sentenceOf(answer))] = answer?.querySelectorAll('.attachment,.refused-file') ?? []
  shown.replaceWith(item)
  changed()
  return item.matches('.attachment') ? item : null
}

/** The draft keeps them. */
function changed() {
  document.querySelector('.chat-box')?.dispatchEvent(new Event('attached'))
}
