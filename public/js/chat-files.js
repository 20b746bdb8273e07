let number = 0

/** Files by picker, paste and drop: each is uploaded at once, shown with its progress, and sent along by its name. */
export function start() {
  document.addEventListener('change', event => {
    if (event.target.id !== 'file') return
    add([...event.target.files])
    event.target.value = ''
  })
  document.addEventListener('paste', event => {
    const files = [...(event.clipboardData?.files ?? [])]
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
    button.closest('.attachment').remove()
    changed()
  })
  // A message waits for its files.
  document.addEventListener(
    'submit',
    event => {
      if (!event.target.matches('.chat-composer') || event.submitter?.matches('.stop')) return
      if (!document.querySelector('.attachment.uploading')) return
      event.preventDefault()
      event.stopImmediatePropagation()
      document
        .getElementById('attachments')
        .addEventListener('settled', () => event.target.requestSubmit(), { once: true })
    },
    true,
  )
}

function add(files) {
  for (const file of files) upload(file)
}

function upload(file) {
  const list = document.getElementById('attachments')
  const shown = document.createElement('span')
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
  list.append(shown)

  const request = new XMLHttpRequest()
  const form = new FormData()
  form.append('file', file, file.name || 'picture')
  request.open('POST', '/chat/files')
  request.setRequestHeader('HX-Request', 'true')
  request.upload.onprogress = event => {
    if (event.lengthComputable) progress.value = event.loaded / event.total
  }
  request.onloadend = () => {
    const answer = [200, 422].includes(request.status) ? request.responseText : ''
    if (shown.isConnected && answer) shown.outerHTML = answer
    else if (shown.isConnected) {
      shown.classList.remove('uploading')
      progress.replaceWith(list.dataset.failed)
    }
    changed()
    if (!document.querySelector('.attachment.uploading')) list.dispatchEvent(new Event('settled'))
  }
  cancel.addEventListener('click', () => request.abort())
  request.send(form)
}

/** The draft keeps them. */
function changed() {
  document.querySelector('.chat-box')?.dispatchEvent(new Event('attached'))
}
