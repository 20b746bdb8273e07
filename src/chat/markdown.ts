import hljs from 'highlight.js/lib/common'
import MarkdownIt, { type Env, type StateBlock, type StateCore, type StateInline } from 'markdown-it'

const LONGEST_RENDERED = 120_000
const LONGEST_HIGHLIGHTED = 20_000
const MOST_CELLS = 2_000
const MOST_TABLES = 12
/** Characters of a line that tell what it is. */
const TELLING = 7
/** An open block is looked at again when it has grown by this part, so that a long one costs what it is long. */
const GROWN = 1 / 16
const LONGEST_LABEL = 80
const LANGUAGE = /^[\w+#.-]{1,30}$/

/**
 * A model's Markdown as HTML that is safe to put into a page: no raw HTML, no pictures from elsewhere, no styles, links to
 * http, https and mailto only. Bounded in time: what is beyond 120,000 characters follows as plain text.
 */
export function renderMarkdown(text: string, env: Env = {}): string {
  const plain = (rest: string) => `<p class="plain">${escapeHtml(rest)}</p>`
  if (text.length <= LONGEST_RENDERED) return md.render(text, env)
  const end = text.lastIndexOf('\n\n', LONGEST_RENDERED)
  const at = end > 0 ? end : LONGEST_RENDERED
  return md.render(text.slice(0, at), env) + plain(text.slice(at))
}

/** The HTML of an answer that is still being written. */
export interface GrowingMarkdown {
  /** Blocks that nothing can change any more, of all that came so far. */
  readonly html: string
  /** What follows them, as written. */
  readonly tail: string
  /** Takes more of the text; gives the HTML of the blocks that it completed, or nothing. */
  add(text: string): string
}

/**
 * Renders an answer block by block while it comes: a block is done once another has begun below it. The time for all of
 * it grows with its length, into however many pieces it is cut.
 */
export function growMarkdown(): GrowingMarkdown {
  const env: Env = {}
  let html = ''
  let tail = ''
  let length = 0
  let looked = 0
  return {
    get html() {
      return html
    },
    get tail() {
      return tail
    },
    add(text) {
      tail += text
      length += text.length
      // A block is over once the line below it has begun: in the middle of a line there is nothing to look for.
      const line = tail.length - tail.lastIndexOf('\n') - 1
      const isBegin = line - text.length <= 2 * TELLING
      if (length > LONGEST_RENDERED || (!text.includes('\n') && !isBegin)) return ''
      if (tail.length < looked * (1 + GROWN)) return ''
      looked = tail.length
      const at = startOfLastBlock(tail)
      if (at <= 0) return ''
      looked = 0
      const done = md.render(tail.slice(0, at), env)
      tail = tail.slice(at)
      html += done
      return done
    },
  }
}

/** Where the last top-level block of `text` starts; 0 while it is the only one, or could still turn into part of the one before. */
function startOfLastBlock(text: string): number {
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
md.disable('image')
md.validateLink = url => /^(https?:\/\/|mailto:)/i.test(url.trim())
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false })
md.inline.ruler.before('escape', 'math', inlineMath)
md.block.ruler.before('fence', 'math', blockMath, { alt: ['paragraph', 'reference', 'blockquote', 'list'] })
md.core.ruler.after('inline', 'tasks', tasks)
md.core.ruler.after('block', 'bounds', boundTables)

md.renderer.rules.fence = (tokens, index) => {
  const { info, content } = tokens[index]!
  return code(content, info.trim().split(/\s/, 1)[0] ?? '')
}
md.renderer.rules.code_block = (tokens, index) => code(tokens[index]!.content, '')
md.renderer.rules.math_block = (tokens, index) =>
  `<pre class="math" tabindex="0"><code>${escapeHtml(tokens[index]!.content)}</code></pre>\n`
md.renderer.rules.math_inline = (tokens, index) => `<code class="math">${escapeHtml(tokens[index]!.content)}</code>`
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

/** Highlighted by classes, never by styles. */
function code(text: string, language: string): string {
  const known = LANGUAGE.test(language) && hljs.getLanguage(language) && text.length <= LONGEST_HIGHLIGHTED
  const body = known ? hljs.highlight(text, { language, ignoreIllegals: true }).value : escapeHtml(text)
  const name = LANGUAGE.test(language) ? ` data-language="${escapeHtml(language)}"` : ''
  return `<figure class="code"${name}><pre tabindex="0"><code>${body}</code></pre></figure>\n`
}

/** markdown-it writes `style="text-align:right"`, which the content security policy forbids. */
function alignment(style: string | number | null): string {
  const side = /text-align:(left|center|right)/.exec(String(style ?? ''))?.[1]
  return side ? ` class="${side}"` : ''
}

/** `\( \)`, `\[ \]`, `$$ $$` and `$x$`, shown as they are: as code, and nothing in them is Markdown. */
function inlineMath(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state
  const rest = src.slice(pos, pos + 2_000)
  const found = /^\\\((.+?)\\\)|^\\\[(.+?)\\\]|^\$\$([^$]+)\$\$|^\$([^\s$](?:[^\n$]*[^\s$\\])?)\$(?!\d)/s.exec(rest)
  if (!found) return false
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
  let cells = 0
  let tables = 0
  for (let index = 0; index < state.tokens.length; index++) {
    const token = state.tokens[index]!
    if (token.type !== 'table_open') continue
    const end = state.tokens.findIndex(
      (each, at) => at > index && each.type === 'table_close' && each.level === token.level,
    )
    cells += state.tokens.slice(index, end).filter(each => each.type === 'th_open' || each.type === 'td_open').length
    if (++tables <= MOST_TABLES && cells <= MOST_CELLS) continue
    const [from, to] = token.map ?? [0, 0]
    const typed = new state.Token('code_block', 'code', 0)
    typed.content = state.src.split('\n').slice(from, to).join('\n')
    typed.map = token.map
    state.tokens.splice(index, end - index + 1, typed)
  }
}

function escapeHtml(text: string): string {
  return md.utils.escapeHtml(text)
}
