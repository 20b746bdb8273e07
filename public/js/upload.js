/**
 * Sends one file to `address`, with its progress in `bar`. `answer`: what the server said, as a document; null when the
 * file was stopped or the connection broke.
 */
export function upload(file, address, bar) {
  const request = new XMLHttpRequest()
  const form = new FormData()
  form.append('file', file, file.name || 'picture')
  request.open('POST', address)
  request.setRequestHeader('HX-Request', 'true')
  request.upload.onprogress = event => {
    if (event.lengthComputable) bar.value = event.loaded / event.total
  }
  const answer = new Promise(resolve => {
    request.onloadend = () => resolve(request.responseText ? parse(request.responseText) : null)
  })
  request.send(form)
  return { answer, stop: () => request.abort() }
}

/** Fragments as a document; where they belong is not looked at. */
export function parse(html) {
  return new DOMParser().parseFromString(html.replaceAll(/<\/?hx-partial[^>]*>/g, ''), 'text/html')
}

/** What stands in the place of a file that did not arrive; `sentence`: why, where that is known. */
export function refusedItem(name, sentence) {
  const item = document.getElementById('not-arrived').content.firstElementChild.cloneNode(true)
  for (const field of item.querySelectorAll('[name]')) field.value = `failed ${name}`
  const words = item.querySelector('p span')
  words.textContent = sentence ?? words.textContent.replace('{{name}}', name)
  const remove = item.querySelector('[name="remove"]')
  remove.ariaLabel = remove.title = remove.title.replace('{{name}}', name)
  return item
}

/** What an error says to the person; null when the answer is none. */
export function sentenceOf(answer) {
  return answer?.querySelector('.notice p')?.textContent.trim() ?? null
}

/** The files of a paste. Cells of a spreadsheet bring a picture of themselves along: where one writes, the text is meant. */
export function pastedFiles({ clipboardData }) {
  const files = [...(clipboardData?.files ?? [])]
  const text = clipboardData?.getData('text/plain').trim()
  // Some systems give the name of a copied file as text.
  const isText = text && !files.some(file => file.name === text)
  return isText && document.activeElement?.matches(':read-write') ? [] : files
}
