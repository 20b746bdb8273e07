import katex, { type KatexOptions } from 'katex'

const options: KatexOptions = {
  // Neither styles, which the content security policy forbids, nor fonts.
  output: 'mathml',
  trust: false,
  strict: 'ignore',
  maxSize: 20,
  maxExpand: 200,
}
const LONGEST = 2_000
const LONGEST_SHOWN = 40_000

/** LaTeX as MathML of plain elements; null for what is none, or would be too much. */
export function mathOf(latex: string, displayMode: boolean): string | null {
  if (latex.length > LONGEST) return null
  try {
    const html = katex.renderToString(latex, { ...options, displayMode })
    const math = /<math.*<\/math>/s.exec(html)?.[0].replace(/<annotation.*<\/annotation>/s, '')
    return math && math.length <= LONGEST_SHOWN ? math.replace(/ style="[^"]*"/g, '') : null
  } catch {
    // Also of one that is nested deeper than the stack is.
    return null
  }
}
