import { callOff, forget, hold, isHeld, isStopped } from './hold.js'
import { parse, pastedFiles, refusedItem, upload as sendFile, sentenceOf } from './upload.js'

let dragged = null
/** What is on its way: its place in the list → its token, or null when it came to nothing. */
const coming = new Map()
/** The form as it was pressed, when it had to wait; what is sent. */
let pressed = null
/** A request of the form → the items that are not in it. */
const newer = new WeakMap()

const composer = () => document.getElementById('composer')
const list = () => document.getElementById('reference-list')

document.addEventListener('change', event => {
  if (!event.target.matches('#references [type="file"]')) return
  const refused = event.target.closest('.refused-file')
  for (const file of event.target.files) upload(file, refused)
  event.target.value = ''
})
document.addEventListener('paste', event => {
  const files = pastedFiles(event)
  if (files.length === 0) return
  event.preventDefault()
  for (const file of files) upload(file)
})
addEventListener('beforeunload', event => {
  if (coming.size > 0) event.preventDefault()
})
document.addEventListener('click', onClick, true)
document.addEventListener('dragstart', onDragStart)
document.addEventListener('dragend', () => {
  dragged?.classList.remove('dragged')
  dragged = null
  showDrop(false)
})
document.addEventListener('dragover', onDragOver)
document.addEventListener('dragleave', event => {
  if (!event.relatedTarget) showDrop(false)
})
document.addEventListener('drop', onDrop)
document.addEventListener('submit', onSubmit, true)
document.addEventListener('htmx:config:request', event => {
  if (event.detail.ctx.sourceElement !== composer() || !pressed) return
  event.detail.ctx.request.body = pressed
  pressed = null
})
document.addEventListener('htmx:before:swap', findNewer)
document.addEventListener('htmx:after:swap', putBackNewer)

/** A picture waits for what it starts from, and is asked for as it was when Create was pressed. */
function onSubmit(event) {
  if (event.target !== composer() || pressed) return
  const stopped = isStopped()
  if (!stopped && coming.size === 0) return forget()
  event.preventDefault()
  event.stopImmediatePropagation()
  if (!stopped) void press()
}

async function press() {
  const form = new FormData(composer())
  const references = [...list().children].map(item => coming.get(item) ?? item.dataset.token)
  if (!(await hold([...coming.values()]))) return
  form.delete('file')
  form.delete('reference')
  for (const token of new Set(await Promise.all(references))) form.append('reference', token)
  pressed = form
  composer().requestSubmit()
}

/** What was added while the form was on its way is not in the one that comes back. */
function findNewer({ detail: { ctx } }) {
  if (ctx.target !== composer()) return
  const body = new URLSearchParams(ctx.request.body)
  const sent = new Set(['reference', 'refused'].flatMap(name => body.getAll(name)))
  newer.set(
    ctx,
    [...list().children].filter(item => !sent.has(item.querySelector('input')?.value)),
  )
}

function putBackNewer({ detail: { ctx } }) {
  const items = newer.get(ctx) ?? []
  if (items.length === 0) return
  list().append(...items)
  void changed()
}

/** Before htmx: what needs no server happens at once, and what is still being uploaded stays where it is. */
function onClick(event) {
  const { target } = event
  const item = target.closest('.reference,.refused-file')
  const move = target.closest('[name="earlier"],[name="later"]')
  const use = target.closest('a[href^="/images?reference="]')
  if (item && move) {
    if (move.name === 'earlier') item.previousElementSibling?.before(item)
    else item.nextElementSibling?.after(item)
    const other = item.querySelector(move.name === 'earlier' ? '[name="later"]' : '[name="earlier"]')
    ;(move.checkVisibility() ? move : other).focus()
    void changed()
  } else if (item && target.closest('[name="remove"]')) {
    const next = item.nextElementSibling ?? item.previousElementSibling
    item.remove()
    callOff('missing')
    ;(next?.querySelector('[name="remove"]') ?? document.querySelector('.reference-add input')).focus()
    void changed()
  } else if (isPlain(event) && target.closest('[data-preview]')) preview(target.closest('[data-preview]'))
  else if (isPlain(event) && use) {
    use.closest('[popover]')?.hidePopover()
    document.getElementById('lightbox')?.close()
    addPicture(new URL(use.href).searchParams.get('reference'))
  } else if (isPlain(event) && target.closest('[data-save-draft]')) void leave(target.closest('[data-save-draft]').href)
  else return
  event.preventDefault()
  event.stopPropagation()
}

function isPlain(event) {
  return event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
}

/** What was typed in the last moment goes along, and so does what is on its way. */
async function leave(href) {
  if (isHeld() || (coming.size > 0 && !(await hold([...coming.values()])))) return
  await send('/images/draft', new URLSearchParams(new FormData(composer()))).catch(() => {})
  location.href = href
}

function onDragStart(event) {
  dragged = event.target.closest?.('.reference:not(.uploading), a[data-picture]')
  if (!dragged) return
  event.dataTransfer.effectAllowed = dragged.matches('.reference') ? 'move' : 'copyLink'
  if (dragged.matches('.reference')) dragged.classList.add('dragged')
}

function onDragOver(event) {
  if (dragged?.matches('.reference')) {
    const over = event.target.closest('.reference')
    if (!over) return
    event.preventDefault()
    if (over === dragged) return
    const { left, width } = over.getBoundingClientRect()
    if (event.clientX < left + width / 2) over.before(dragged)
    else over.after(dragged)
  } else if (dragged || event.dataTransfer?.types.includes('Files')) {
    if (dragged && !event.target.closest('#composer')) return showDrop(false)
    event.preventDefault()
    showDrop(true)
  }
}

function onDrop(event) {
  showDrop(false)
  const files = [...(event.dataTransfer?.files ?? [])]
  if (dragged?.matches('.reference')) {
    event.preventDefault()
    void changed()
  } else if (dragged && event.target.closest('#composer')) {
    event.preventDefault()
    addPicture(dragged.dataset.picture)
  } else if (!dragged && files.length > 0) {
    event.preventDefault()
    for (const file of files) upload(file)
  }
}

function showDrop(isOver) {
  composer()?.classList.toggle('dropping', isOver)
}

/** One file, one request: so each has its own progress and its own sentence when it is refused. `before`: in its place. */
function upload(file, before) {
  const words = document.getElementById('references').dataset
  const name = file.name || 'picture'
  const item = document.createElement('li')
  item.className = 'reference uploading'
  const picture = document.createElement('img')
  picture.alt = words.uploading.replace('{{name}}', name)
  picture.width = picture.height = 72
  picture.src = URL.createObjectURL(file)
  picture.onload = () => URL.revokeObjectURL(picture.src)
  picture.onerror = () => picture.classList.add('blank')
  const progress = document.createElement('progress')
  progress.max = 1
  progress.value = 0
  progress.ariaLabel = picture.alt
  const stopper = document.createElement('button')
  stopper.type = 'button'
  stopper.className = 'icon-button small'
  stopper.ariaLabel = stopper.title = words.stop
  stopper.textContent = '×'
  item.append(picture, progress, stopper)
  if (before) before.replaceWith(item)
  else list().append(item)

  const { answer, stop } = sendFile(file, '/images/references', progress)
  let isOver = false
  stopper.onclick = () => {
    isOver = true
    stop()
  }
  expect(item, answer, html => (isOver ? [] : [refusedItem(name, sentenceOf(html))]))
}

function addPicture(id) {
  const words = document.getElementById('references').dataset
  const { offline } = document.getElementById('toasts').dataset
  const item = document.createElement('li')
  item.className = 'reference uploading'
  list().append(item)
  const answer = send('/images/references', new URLSearchParams({ picture: id }))
    .then(async response => parse(await response.text()))
    .catch(() => null)
  expect(item, answer, html => [refusedItem(words.picture, sentenceOf(html) ?? offline)])
  composer().scrollIntoView({ block: 'nearest' })
}

/** Keeps `item` for a picture until the answer is there; `instead` makes what stands there when that is none. */
function expect(item, answer, instead) {
  const token = answer.then(html => {
    const items = [...(html?.querySelectorAll('.reference,.refused-file') ?? [])]
    coming.delete(item)
    place(items.length > 0 ? items : instead(html), item)
    return items.find(each => each.matches('.reference'))?.dataset.token ?? null
  })
  coming.set(item, token)
}

/** Puts what the server answered where `waiting` stood; a picture that is there already stays where it is. */
function place(items, waiting) {
  const isThere = new Set([...list().querySelectorAll('input')].map(field => field.value))
  for (const item of items) {
    if (isThere.has(item.querySelector('input').value)) continue
    if (waiting.isConnected) waiting.before(item)
    else list().append(item)
    window.htmx.process(item)
  }
  waiting.remove()
  void changed()
}

/** Keeps the draft; and when another picture is the first now, the mask over the one before has no place any more. */
async function changed() {
  const first = list().querySelector('[data-token]')?.dataset.token ?? ''
  if (document.getElementById('mask').dataset.reference === first) {
    list().dispatchEvent(new Event('input', { bubbles: true }))
    // At once: a page that is asked for anew must not be without it.
    list().dispatchEvent(new Event('attached', { bubbles: true }))
    return
  }
  document.querySelector('#mask [name="mask"]').value = ''
  document.getElementById('mask').dataset.reference = first
  const form = new FormData(composer())
  form.delete('file')
  form.set('unmask', 'on')
  const answer = await send('/images/references', new URLSearchParams(form)).catch(() => null)
  const mask = answer?.ok && parse(await answer.text()).getElementById('mask')
  if (!mask || mask.dataset.reference !== document.getElementById('mask').dataset.reference) return
  document.getElementById('mask').replaceWith(mask)
  window.htmx.process(mask)
}

function send(url, body) {
  return fetch(url, { method: 'POST', headers: { 'HX-Request': 'true' }, body })
}

function preview(link) {
  const dialog = document.getElementById('preview')
  const picture = dialog.querySelector('img')
  const [width, height] = link.dataset.preview.split('x')
  picture.style.aspectRatio = `${width} / ${height}`
  picture.style.width = `min(100%, ${width}px, (100dvh - 80px) * ${width / height})`
  picture.src = link.href
  dialog.showModal()
}

document.getElementById('preview')?.addEventListener('click', event => {
  if (event.target.matches('.lightbox-stage')) event.currentTarget.close()
})
