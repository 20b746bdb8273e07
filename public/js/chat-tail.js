const INLINE =
  /!\[([^\]\n]*)\]\(attachment:\d{1,2}\)|\*\*(?!\s)([^*\n]+)(?:(?<!\s)\*\*|$)|`([^`\n]+)(?:`|$)|\*(?!\s)([^*\n]+)(?<!\s)\*/g
const FENCE = /^ {0,3}(?:`{3,}|~{3,})[^\n]*\n/
const LINE = /^(?<indent> *)(?:(?<heading>#{1,6}) |(?<marker>[-*+]|\d{1,3}[.)]) )?(?<words>.*)$/s

const LONGEST_SHAPED = 5_000
/** The lines that each element shows. */
const drawn = new WeakMap()

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
  const fence = FENCE.exec(text)
  if (fence) return drawCode(shown, text.slice(fence[0].length))
  drawLines(shown, text === '' ? [] : text.split('\n'))
}

function drawCode(shown, text) {
  const code = element('code', '', text)
  const pre = element('pre', '')
  code.append(element('i', 'caret'))
  pre.append(code)
  shown.replaceChildren(pre)
  drawn.delete(shown)
}

/** Lines that stand there already stay: a long block costs what is new in it. */
function drawLines(shown, lines) {
  const before = drawn.get(shown) ?? []
  let same = 0
  while (same < Math.min(before.length, lines.length) - 1 && before[same] === lines[same]) same++
  const rows = lines.slice(same).map(lineOf)
  rows.at(-1)?.append(element('i', 'caret'))
  if (same === 0) shown.replaceChildren(...rows)
  else {
    while (shown.childElementCount > same) shown.lastElementChild.remove()
    shown.append(...rows)
  }
  drawn.set(shown, lines)
}

function lineOf(line) {
  const { indent, heading, marker, words } = LINE.exec(line).groups
  const row = element('div', heading ? 'heading' : marker ? 'item' : 'line')
  if (marker) {
    row.classList.add(`level-${Math.min(indent.length >> 1, 3)}`)
    row.append(element('span', 'marker', /\d/.test(marker) ? marker : '•'))
  }
  if (words.length > LONGEST_SHAPED) {
    row.append(words)
    return row
  }
  let at = 0
  for (const found of words.matchAll(INLINE)) {
    const [whole, drawn, bold, code, slanted] = found
    row.append(words.slice(at, found.index))
    if (drawn === undefined) row.append(element(bold ? 'strong' : code ? 'code' : 'em', '', bold ?? code ?? slanted))
    else row.append(element('span', 'drawn', drawn))
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
