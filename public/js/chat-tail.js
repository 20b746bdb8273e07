const INLINE = /\*\*([^*\n]+)(?:\*\*|$)|`([^`\n]+)(?:`|$)|\*([^*\s][^*\n]*)\*/g
const FENCE = /^ {0,3}(?:`{3,}|~{3,})[^\n]*\n/
const LINE = /^(?<indent> *)(?:(?<heading>#{1,6}) |(?<marker>[-*+]|\d{1,3}[.)]) )?(?<words>.*)$/

/**
 * Shows words that are still coming in about the shape they will have. What was written stays in `tail`, as it came; the
 * block itself comes from the server once it is complete.
 */
export function drawTail(tail) {
  const next = tail.nextElementSibling
  const shown = next?.matches('.forming') ? next : document.createElement('div')
  if (shown !== next) {
    shown.className = 'forming'
    shown.ariaHidden = 'true'
    tail.after(shown)
  }
  const text = tail.textContent
  const caret = element('i', 'caret')
  const fence = FENCE.exec(text)
  if (fence) {
    const code = element('code', '', text.slice(fence[0].length))
    const pre = element('pre', '')
    code.append(caret)
    pre.append(code)
    return shown.replaceChildren(pre)
  }
  const lines = text.split('\n').map(lineOf)
  lines.at(-1).append(caret)
  shown.replaceChildren(...(text === '' ? [] : lines))
}

function lineOf(line) {
  const { indent, heading, marker, words } = LINE.exec(line).groups
  const row = element('div', heading ? 'heading' : marker ? 'item' : 'line')
  if (marker) {
    row.classList.add(`level-${Math.min(indent.length >> 1, 3)}`)
    row.append(element('span', 'marker', /\d/.test(marker) ? marker : '•'))
  }
  let at = 0
  for (const found of words.matchAll(INLINE)) {
    const [whole, bold, code, slanted] = found
    row.append(words.slice(at, found.index))
    row.append(element(bold ? 'strong' : code ? 'code' : 'em', '', bold ?? code ?? slanted))
    at = found.index + whole.length
  }
  row.append(words.slice(at))
  return row
}

function element(name, className, text = '') {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}
