import hljs from 'highlight.js/lib/common'
import MarkdownIt, { type Env, type StateBlock, type StateCore, type StateInline, type Token } from 'markdown-it'
import cjkFriendly from 'markdown-it-cjk-friendly'
import { mathOf } from './formula.ts'

const LONGEST_HIGHLIGHTED = 20_000
/** Nobody reads longer ones, and grammars take a time for them that grows faster than they do. */
const LONGEST_HIGHLIGHTED_LINE = 1_000
/** Of one text; code that comes later is shown plain. */
const HIGHLIGHTING_MS = 120
/** Of one text; formulas that come later are shown as they were written. */
const FORMULAS_MS = 200
/** Of their HTML: a letter between dollars is a hundred characters of it. */
const FORMULAS_LENGTH = 400_000
const MOST_CELLS = 2_000
const MOST_TABLES = 12
/** Characters of a line that tell what it is. */
const TELLING = 7
const LONGEST_LABEL = 80
const MATH = /^\\\((.+?)\\\)|^\\\[(.+?)\\\]|^\$\$([^$]+)\$\$|^\$([^\s$](?:[^\n$]*[^\s$\\])?)\$/s
/** An amount that a word follows. */
const PRICE = /^\d[\d.,]*\s+\p{L}{2,}/u
const LANGUAGE = /^[\w+#.-]{1,30}$/

/**
 * A model's Markdown as HTML that is safe to put into a page: no raw HTML, no pictures from elsewhere, no styles, links to
 * http, https and mailto only. How long it takes is up to whoever wrote the text: it is for a thread that can be ended.
 */
export function toHtml(text: string, { env = {}, highlights }: { env?: Env; highlights: boolean }): string {
  highlightUntil = highlights ? spentMs() + HIGHLIGHTING_MS : 0
  formulasUntil = highlights ? spentMs() + FORMULAS_MS : 0
  formulasLeft = FORMULAS_LENGTH
  return md.render(text, env)
}

/** Where the last top-level block of `text` starts; 0 while it is the only one, or could still turn into part of the one before. */
export function startOfLastBlock(text: string): number {
  const starts = md
    .parse(text, {})
    .flatMap(token => (token.level === 0 && token.map && token.nesting >= 0 ? token.map[0] : []))
  const last = starts.at(-1) ?? 0
  if (last === 0 || starts.length < 2) return 0
  let at = 0
  for (let line = 0; line < last; line++) at = text.indexOf('\n', at) + 1
  const rest = text.slice(at)
  // `2` may become the `2.` of a list above, `    a` or `| a` part of what it follows.
  return rest.includes('\n') || rest.trim().length >= TELLING ? at : 0
}

const md = new MarkdownIt({ html: false, linkify: true, breaks: false, maxNesting: 24, highlight: () => '' })
md.use(cjkFriendly)
md.disable('image')
md.validateLink = url => /^(https?:\/\/|mailto:)/i.test(url.trim())
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false })
md.inline.ruler.before('escape', 'math', inlineMath)
md.inline.ruler.before('escape', 'drawn', drawn)
md.block.ruler.before('fence', 'math', blockMath, { alt: ['paragraph', 'reference', 'blockquote', 'list'] })
md.core.ruler.after('inline', 'tasks', tasks)
md.core.ruler.after('block', 'bounds', boundTables)

md.renderer.rules.fence = (tokens, index) => {
  const { info, content } = tokens[index]!
  return code(content, info.trim().split(/\s/, 1)[0] ?? '')
}
md.renderer.rules.code_block = (tokens, index) => code(tokens[index]!.content, '')
md.renderer.rules.math_block = (tokens, index) =>
  formula(tokens[index]!.content, true) ??
  `<pre class="math" tabindex="0"><code>${escapeHtml(tokens[index]!.content)}</code></pre>\n`
md.renderer.rules.math_inline = (tokens, index) =>
  formula(tokens[index]!.content, false) ?? `<code class="math">${escapeHtml(tokens[index]!.content)}</code>`
md.renderer.rules.drawn = (tokens, index) => {
  const { content, meta } = tokens[index]!
  return `<span class="drawn" data-n="${Number(meta?.number)}">${escapeHtml(content)}</span>`
}
md.renderer.rules.task = (tokens, index) => {
  const { meta, content } = tokens[index]!
  return `<input type="checkbox" aria-label="${escapeHtml(content)}" disabled${meta?.ticked ? ' checked' : ''}> `
}
md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>\n'
md.renderer.rules.table_close = () => '</table></div>\n'
md.renderer.rules.th_open = (tokens, index) => `<th${alignment(tokens[index]!.attrGet('style'))}>`
md.renderer.rules.td_open = (tokens, index) => `<td${alignment(tokens[index]!.attrGet('style'))}>`
md.renderer.rules.link_open = (tokens, index, options, _env, self) => {
  tokens[index]!.attrSet('target', '_blank')
  tokens[index]!.attrSet('rel', 'noopener noreferrer nofollow')
  return self.renderToken(tokens, index, options)
}

let highlightUntil = 0
let formulasUntil = 0
let formulasLeft = 0

/** Of this thread alone: how busy the machine is says nothing about a text. */
function spentMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** What is selected and copied of it is its LaTeX. Null where it is shown as that. */
function formula(latex: string, isBlock: boolean): string | null {
  const math = spentMs() < formulasUntil ? mathOf(latex, isBlock) : null
  if (!math || math.length > formulasLeft) return null
  formulasLeft -= math.length
  const [tag, mark, end] = isBlock ? ['div', '$$', '\n'] : ['span', '$', '']
  const tex = `<span class="tex" aria-hidden="true">${mark}${escapeHtml(latex)}${mark}</span>`
  return `<${tag} class="math"${isBlock ? ' tabindex="0"' : ''}>${tex}${math}</${tag}>${end}`
}

/** Highlighted by classes, never by styles. */
function code(text: string, language: string): string {
  const known = LANGUAGE.test(language) && hljs.getLanguage(language) && isWorthIt(text)
  const body = known ? hljs.highlight(text, { language, ignoreIllegals: true }).value : escapeHtml(text)
  const name = LANGUAGE.test(language) ? ` data-language="${escapeHtml(language)}"` : ''
  return `<figure class="code"${name}><pre tabindex="0"><code>${body}</code></pre></figure>\n`
}

function isWorthIt(code: string): boolean {
  if (code.length > LONGEST_HIGHLIGHTED || spentMs() >= highlightUntil) return false
  return code.split('\n').every(line => line.length <= LONGEST_HIGHLIGHTED_LINE)
}

/** markdown-it writes `style="text-align:right"`, which the content security policy forbids. */
function alignment(style: string | number | null): string {
  const side = /text-align:(left|center|right)/.exec(String(style ?? ''))?.[1]
  return side ? ` class="${side}"` : ''
}

/** `\( \)`, `\[ \]`, `$$ $$` and `$x$`: nothing in them is Markdown. */
function inlineMath(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state
  if (src[pos] !== '$' && src[pos] !== '\\') return false
  const rest = src.slice(pos, pos + 2_000)
  const found = MATH.exec(rest)
  if (!found || (found[4] !== undefined && isMoneyOrName(src, pos, found))) return false
  if (!silent) {
    const token = state.push('math_inline', 'code', 0)
    token.content = found
      .slice(1)
      .find(part => part !== undefined)!
      .trim()
  }
  state.pos += found[0].length
  return true
}

/** `$HOME/$USER`, `US$5 or A$6`, `$5 to 10$`: dollars that are no brackets of a formula. */
function isMoneyOrName(src: string, pos: number, [whole, , , , inner = '']: RegExpExecArray): boolean {
  const isWord = (letter: string | undefined) => letter !== undefined && /[\w{(]/.test(letter)
  return /[A-Za-z0-9]/.test(src[pos - 1] ?? '') || isWord(src[pos + whole.length]) || PRICE.test(inner)
}

/** The same on lines of its own. */
function blockMath(state: StateBlock, start: number, end: number, silent: boolean): boolean {
  const lineOf = (line: number) => state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line])
  if (state.sCount[start]! - state.blkIndent >= 4) return false
  const opening = lineOf(start).trimEnd()
  const closing = opening === '$$' ? '$$' : opening === '\\[' ? '\\]' : null
  if (!closing) return false
  if (silent) return true
  let line = start + 1
  while (line < end && lineOf(line).trim() !== closing) line++
  const token = state.push('math_block', 'code', 0)
  token.content = state.getLines(start + 1, line, state.blkIndent, false)
  token.map = [start, line]
  state.line = Math.min(line + 1, end)
  return true
}

/** A picture that came with the answer: its place, where pages put it. */
function drawn(state: StateInline, silent: boolean): boolean {
  if (state.src[state.pos] !== '!') return false
  const found = /^!\[([^[\]\n]{0,200})\]\(attachment:(\d{1,2})\)/.exec(state.src.slice(state.pos, state.pos + 300))
  if (!found) return false
  if (!silent) {
    const token = state.push('drawn', 'span', 0)
    token.content = found[1]!
    token.meta = { number: Number(found[2]) }
  }
  state.pos += found[0].length
  return true
}

/** `- [ ] something` becomes a box that cannot be ticked. */
function tasks(state: StateCore): void {
  for (const [index, token] of state.tokens.entries()) {
    const first = token.children?.[0]
    const inItem =
      state.tokens[index - 1]?.type === 'paragraph_open' && state.tokens[index - 2]?.type === 'list_item_open'
    const [mark, ticked] = /^\[([ xX])\]\s/.exec(first?.content ?? '') ?? []
    if (token.type !== 'inline' || !first || !inItem || !mark) continue
    const box = new state.Token('task', 'input', 0)
    box.meta = { ticked: ticked !== ' ' }
    first.content = first.content.slice(mark.length)
    box.content = token
      .children!.map(child => child.content)
      .join('')
      .slice(0, LONGEST_LABEL)
      .toWellFormed()
    token.children!.unshift(box)
    state.tokens[index - 2]!.attrJoin('class', 'task')
  }
}

/** A table of a few bytes may stand for thousands of empty cells: beyond a bound a table is what was typed. */
function boundTables(state: StateCore): void {
  const lines = state.src.split('\n')
  const kept: Token[] = []
  let cells = 0
  let tables = 0
  for (let index = 0; index < state.tokens.length; index++) {
    const token = state.tokens[index]!
    if (token.type !== 'table_open') {
      kept.push(token)
      continue
    }
    const first = index
    while (state.tokens[index]!.type !== 'table_close' || state.tokens[index]!.level !== token.level) {
      const { type } = state.tokens[index++]!
      if (type === 'th_open' || type === 'td_open') cells++
    }
    if (++tables <= MOST_TABLES && cells <= MOST_CELLS) {
      for (let at = first; at <= index; at++) kept.push(state.tokens[at]!)
      continue
    }
    const typed = new state.Token('code_block', 'code', 0)
    typed.content = lines.slice(...(token.map ?? [0, 0])).join('\n')
    typed.map = token.map
    kept.push(typed)
  }
  state.tokens = kept
}

function escapeHtml(text: string): string {
  return md.utils.escapeHtml(text)
}
