/** Marks what was looked for in the messages that are here, and goes from one to the next without leaving the page. */
export function start() {
  const found = document.getElementById('found')
  if (!found) return
  const field = document.getElementById('found-words')
  const words = field.defaultValue
  const hits = [...found.querySelectorAll('[data-hit]')]
  mark(words)
  document.addEventListener('htmx:after:swap', () => mark(words))
  if (hits.length === 0) return field.focus()

  found.addEventListener('click', event => {
    const link = event.target.closest('[data-hit],.next,.previous')
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return
    const hit = link.matches('.next') ? beside(1) : link.matches('.previous') ? beside(-1) : link
    if (goTo(hit)) event.preventDefault()
    else if (hit !== link) {
      event.preventDefault()
      location.assign(hit.href)
    }
  })
  found.querySelector('form').addEventListener('keydown', event => {
    if (event.key === 'Escape') return found.querySelector('form > a:last-child').click()
    if (event.key !== 'Enter' || event.isComposing || event.target !== field || field.value !== words) return
    event.preventDefault()
    const hit = beside(event.shiftKey ? -1 : 1)
    if (!goTo(hit)) location.assign(hit.href)
  })

  function beside(step) {
    const at = hits.findIndex(hit => hit.ariaCurrent)
    return hits[(at + step + hits.length) % hits.length]
  }

  /** False for a message that has a page of its own. */
  function goTo(hit) {
    const message = document.getElementById(`m-${hit.dataset.hit}`)
    if (!message) return false
    for (const each of hits) each.ariaCurrent = each === hit ? 'true' : null
    document.getElementById('found-count').textContent = hit.dataset.place
    history.replaceState(null, '', hit.href)
    place(message, words).scrollIntoView({ block: 'center', behavior: 'instant' })
    return true
  }
}

/** By the browser's own highlights: the text of a message stays one. Where it has none, the message is framed. */
function mark(words) {
  if (!globalThis.Highlight || !words) return
  const ranges = [...document.querySelectorAll('.thread .said, .thread .prose')].flatMap(each => rangesIn(each, words))
  CSS.highlights.set('found', new Highlight(...ranges))
}

function place(message, words) {
  return rangesIn(message, words)[0]?.startContainer.parentElement ?? message
}

function rangesIn(element, words) {
  const wanted = words.toLowerCase()
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  const ranges = []
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.toLowerCase()
    // Some capitals are longer than their small letters: the places would not be true.
    if (text.length !== node.data.length) continue
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range()
      range.setStart(node, at)
      range.setEnd(node, at + wanted.length)
      ranges.push(range)
    }
  }
  return ranges
}
