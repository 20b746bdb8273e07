let dragged = null
let uploads = 0

const composer = () => document.getElementById('composer')
const list = () => document.getElementById('reference-list')

document.addEventListener('change', event => {
  if (!event.target.matches('#references [type="file"]')) return
  for (const file of event.target.files) upload(file)
  event.target.value = ''
})
document.addEventListener('paste', event => {
  const files = [...(event.clipboardData?.files ?? [])]
  if (files.length === 0) return
  event.preventDefault()
  for (const file of files) upload(file)
})
addEventListener('beforeunload', event => {
  if (uploads > 0) event.preventDefault()
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
// A picture waits for what it starts from.
document.addEventListener(
  'submit',
  event => {
    if (event.target !== composer() || uploads === 0) return
    event.preventDefault()
    event.stopImmediatePropagation()
    document.addEventListener('references:settled', () => composer().requestSubmit(), { once: true })
  },
  true,
)

/** Before htmx: what needs no server happens at once, and what is still being uploaded stays where it is. */
function onClick(event) {
  const { target } = event
  const item = target.closest('.reference')
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
    ;(next?.querySelector('[name="remove"]') ?? document.querySelector('#references [type="file"]')).focus()
    void changed()
  } else if (target.closest('[data-dismiss-refused]')) target.closest('li').remove()
  else if (isPlain(event) && target.closest('[data-preview]')) preview(target.closest('[data-preview]'))
  else if (isPlain(event) && use) {
    use.closest('[popover]')?.hidePopover()
    document.getElementById('lightbox')?.close()
    void addPicture(new URL(use.href).searchParams.get('reference'))
  } else if (isPlain(event) && target.closest('[data-save-draft]')) void leave(target.closest('[data-save-draft]').href)
  else return
  event.preventDefault()
  event.stopPropagation()
}

function isPlain(event) {
  return event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey
}

/** What was typed in the last moment goes along. */
async function leave(href) {
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
    void addPicture(dragged.dataset.picture)
  } else if (!dragged && files.length > 0) {
    event.preventDefault()
    for (const file of files) upload(file)
  }
}

function showDrop(isOver) {
  composer()?.classList.toggle('dropping', isOver)
}

/** One file, one request: so each has its own progress and its own sentence when it is refused. */
function upload(file) {
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
  const stop = document.createElement('button')
  stop.type = 'button'
  stop.className = 'icon-button small'
  stop.ariaLabel = stop.title = words.stop
  stop.textContent = '×'
  item.append(picture, progress, stop)
  list().append(item)

  const request = new XMLHttpRequest()
  const form = new FormData()
  form.append('file', file, name)
  request.open('POST', '/images/references')
  request.setRequestHeader('HX-Request', 'true')
  request.upload.onprogress = event => {
    if (event.lengthComputable) progress.value = event.loaded / event.total
  }
  let isStopped = false
  stop.onclick = () => {
    isStopped = true
    request.abort()
  }
  uploads++
  request.onloadend = () => {
    uploads--
    const answer = parse(request.responseText)
    const items = [...answer.querySelectorAll('.reference,.upload-refused')]
    if (items.length === 0 && !isStopped) refuse(sentenceOf(answer) ?? words.failed.replace('{{name}}', name))
    place(items, item)
    if (uploads === 0) document.dispatchEvent(new Event('references:settled'))
  }
  request.send(form)
}

async function addPicture(id) {
  const item = document.createElement('li')
  item.className = 'reference uploading'
  list().append(item)
  try {
    const answer = parse(await (await send('/images/references', new URLSearchParams({ picture: id }))).text())
    const items = [...answer.querySelectorAll('.reference,.upload-refused')]
    if (items.length === 0) refuse(sentenceOf(answer) ?? document.getElementById('toasts').dataset.offline)
    place(items, item)
  } catch {
    refuse(document.getElementById('toasts').dataset.offline)
    place([], item)
  }
  composer().scrollIntoView({ block: 'nearest' })
}

/** Puts what the server answered where `waiting` stood; a picture that is there already stays where it is. */
function place(items, waiting) {
  for (const item of items) {
    if (item.matches('.upload-refused')) refuse(item)
    else if (!document.getElementById(item.id)) {
      if (waiting.isConnected) waiting.before(item)
      else list().append(item)
      window.htmx.process(item)
    }
  }
  waiting.remove()
  void changed()
}

function refuse(what) {
  const item = typeof what === 'string' ? document.createElement('li') : what
  if (item !== what) {
    item.className = 'field-error upload-refused'
    item.role = 'alert'
    item.textContent = what
  }
  const dismiss = document.createElement('button')
  dismiss.type = 'button'
  dismiss.className = 'icon-button small'
  dismiss.dataset.dismissRefused = ''
  dismiss.ariaLabel = document.getElementById('references').dataset.dismiss
  dismiss.textContent = '×'
  item.append(dismiss)
  document.getElementById('refused-uploads').append(item)
}

function sentenceOf(answer) {
  return answer.querySelector('.notice p')?.textContent.trim()
}

/** Keeps the draft; and when another picture is the first now, the mask over the one before has no place any more. */
async function changed() {
  const first = list().querySelector('[data-token]')?.dataset.token ?? ''
  if (document.getElementById('mask').dataset.reference === first) {
    list().dispatchEvent(new Event('input', { bubbles: true }))
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

function parse(html) {
  return new DOMParser().parseFromString(html.replaceAll(/<\/?hx-partial[^>]*>/g, ''), 'text/html')
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
