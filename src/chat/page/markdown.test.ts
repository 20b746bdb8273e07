import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse as parseHtml } from 'node-html-parser'
import { hostileTexts } from '../../testing/hostile-texts.ts'
import * as markdown from './markdown.ts'

const renderMarkdown = (text: string) => markdown.renderMarkdown(1, text)
const growMarkdown = (id: string) => markdown.growMarkdown(1, id)

/** With the elements inside `pre`. */
const parse = (html: string) => parseHtml(html, { blockTextElements: { script: true, style: true } })

test('dollars of variables and of prices are no formulas; formulas beside them are', async () => {
  const plain = [
    'Set $HOME/$USER/.cache first',
    'echo $\u007bHOME}:$\u007bPATH} and $(pwd)/$(date)',
    'between $5 and 10$ a month',
    'US$5 or A$6, $1,000/$2,000, R$5$',
    'from $3 to $4$5',
  ]
  for (const text of plain) {
    const html = await renderMarkdown(text)
    assert.doesNotMatch(html, /class="math"/, text)
    assert.equal(parse(html).text.trim(), text)
  }
  const html = parse(await renderMarkdown('For $x$, $2x + 1$ and ($n$) it is $\\frac{1}{2}$.'))
  assert.deepEqual(
    html.querySelectorAll('.math .tex').map(each => each.text),
    ['$x$', '$2x + 1$', '$n$', '$\\frac{1}{2}$'],
  )
})

test('formulas are MathML without styles, as text their LaTeX; what is none stays as it was written', async () => {
  const html = parse(
    await renderMarkdown(String.raw`Of $\frac{-b \pm \sqrt{b^2-4ac}}{2a}$ and $\nothing{$ and $\def\a{\a\a}\a$:

$$
\begin{pmatrix} 1 & x<y \\ \text{中文} & 2 \end{pmatrix}
$$

end`),
  )
  assert.equal(html.querySelectorAll('span.math math mfrac msqrt').length, 1)
  assert.equal(html.querySelectorAll('div.math math[display="block"] mtd').length, 4)
  assert.deepEqual(
    html.querySelectorAll('code.math').map(each => each.text),
    [String.raw`\nothing{`, String.raw`\def\a{\a\a}\a`],
  )
  assert.equal(html.querySelectorAll('annotation, [style]').length, 0)
  const many = await renderMarkdown('$x$ '.repeat(20_000))
  assert.ok(many.length < 2_000_000 && parse(many).text.includes('x'))
  assert.match(await renderMarkdown(`$${'{'.repeat(900)}x${'}'.repeat(900)}$`), /x/)
})

test('tables, lists, tasks, code and math become plain elements with classes', async () => {
  const html = await renderMarkdown(
    '# T\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n```ts\nconst a = 1\n```\n\nso \\(a_b*c*\\) and $x^2$ cost $5 and $6.\n\n$$\na *b* c\n$$\n',
  )
  const page = parse(html)
  assert.equal(page.querySelectorAll('th.right, td.right').length, 2)
  assert.deepEqual(
    page.querySelectorAll('li.task input').map(box => [box.hasAttribute('checked'), box.getAttribute('aria-label')]),
    [
      [true, 'done'],
      [false, 'open'],
    ],
  )
  assert.ok(page.querySelector('figure.code[data-language="ts"] .hljs-keyword'))
  assert.deepEqual(
    page.querySelectorAll('span.math .tex').map(each => each.text),
    ['$a_b*c*$', '$x^2$'],
  )
  assert.match(page.querySelector('div.math .tex')!.text, /^\$\$a \*b\* c\n?\$\$$/)
  assert.match(html, /cost \$5 and \$6\./)
})

test('emphasis ends beside the punctuation of Chinese and Japanese', async () => {
  const html = await renderMarkdown(
    '**重点：**后面的字\n\n这是**“引号”**里的字。\n\n- **光线。**先写光线\n\n~~**旧。**~~新',
  )
  assert.equal(parse(html).querySelectorAll('strong').length, 4)
  assert.equal(parse(html).querySelectorAll('s').length, 1)
})

test('links open elsewhere without telling where from, and only to safe places', async () => {
  const html = await renderMarkdown('[a](https://example.com/x) https://example.org [m](mailto:a@b.c)')
  for (const link of parse(html).querySelectorAll('a')) {
    assert.equal(link.getAttribute('target'), '_blank')
    assert.match(link.getAttribute('rel') ?? '', /noopener noreferrer/)
  }
  assert.equal(parse(html).querySelectorAll('a').length, 3)
})

const hostile = [
  '<script>alert(1)</script><img src=x onerror=alert(1)>',
  '[a](javascript:alert(1)) [b](JaVaScRiPt&colon;alert(1)) [c](data:text/html,<script>) [d](//evil.example) [e](/logout)',
  '![p](https://evil.example/pixel.png) ![q](data:image/png;base64,AAAA)',
  '```"><script>alert(1)</script>\nx\n```',
  '<https://a.example/"onmouseover="alert(1)>',
  '| a |\n|:-:|\n| <b style="color:red">x</b> |',
  '[x]: javascript:alert(1)\n\n[x]',
  '$<img src=x onerror=alert(1)>$',
  String.raw`$\href{javascript:alert(1)}{x} \includegraphics{https://evil.example/x} \htmlStyle{color:red}{y} \boxed{\angl n}$`,
  String.raw`$$\text{</annotation></math><script>alert(1)</script>}$$`,
]

test('hostile input leaves no script, no style, no handler and no foreign picture', async () => {
  for (const text of hostile) {
    const page = parse(await renderMarkdown(text))
    assert.equal(page.querySelectorAll('script, img, style, iframe, [style]').length, 0, text)
    for (const element of page.querySelectorAll('*')) {
      assert.ok(!Object.keys(element.attributes).some(name => name.startsWith('on')), text)
      assert.match(element.getAttribute('href') ?? 'https://', /^(https?:\/\/|mailto:)/, text)
    }
  }
})

test('a hostile answer is rendered to a bounded size, loses no word, and nobody waits for it', async () => {
  for (const [name, text] of hostileTexts) {
    const order: string[] = []
    const rendering = renderMarkdown(text).finally(() => order.push('rendered'))
    setImmediate(() => order.push('others'))
    const html = await rendering
    if (name === 'C names') assert.deepEqual(order, ['others', 'rendered'])
    assert.ok(html.length < Math.max(text.length, 120_000) * 12, `${name} became ${html.length}`)
    if (/^`{3}\w/.test(text)) assert.equal(codeOf(parse(html).text), codeOf(text), name)
  }
})

const codeOf = (text: string) => text.replace(/`{3}\w*|\s/g, '')

test('however many slow answers one person has, another waits for two of them at most', async () => {
  const order: string[] = []
  const slow = hostileTexts.get('C names')!
  const mine = [1, 2, 3, 4].map(each => markdown.renderMarkdown(1, slow).finally(() => order.push(`mine ${each}`)))
  const other = markdown.renderMarkdown(2, 'A few *words*.')
  assert.match(await other.finally(() => order.push('other')), /<em>words/)
  await Promise.all(mine)
  assert.ok(order.indexOf('other') <= 2, order.join())
})

test('a hostile answer that is being written stays readable, however often its page is loaded', async () => {
  for (const name of ['C names', 'long lists', 'brackets']) {
    const text = hostileTexts.get(name)!
    const [one, two] = [growMarkdown(name), growMarkdown(name)]
    const html = (await one.add(text)) + (await one.add('\n\nMore')) + (await two.add(text))
    assert.equal(html, one.html + two.html)
    assert.ok(text.endsWith(two.tail))
  }
})

const answers = [
  'One paragraph, **bold**,\nsecond line.\n\nAnother one.\n',
  '1. one\n2. two\n\n   more\n3. three\n\nafter\n\n- a\n  - b\n\n- c\n\n> quote\n> more\n\nend',
  '# Title\nText at once\n\n```js\nconst a = 1\n\nconst b = 2\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nTail without end',
  'So $a^2$ and\n\n$$\n\\sum_i x_i\n$$\n\nis $\\bad{$ or\n\n\\[\nz\n\\]\n\nend',
  'Para\n***\nPara\n---\n\n    indented\n\n$$\nx\n\ny\n$$\n\nlast\n',
]

test('an answer that grows in whatever pieces ends as the same HTML as one that came whole', async () => {
  for (const text of answers) {
    for (const size of [1, 3, 7, 40]) {
      const growing = growMarkdown('m2')
      let html = ''
      for (let at = 0; at < text.length; at += size) html += await growing.add(text.slice(at, at + size))
      assert.equal(growing.html, html)
      assert.equal(
        html + (await renderMarkdown(growing.tail)),
        await renderMarkdown(text),
        `in pieces of ${size}: ${text}`,
      )
    }
  }
})

test('blocks are given out as soon as the next has begun', async () => {
  const growing = growMarkdown('m3')
  assert.equal(await growing.add('First.\n\n'), '')
  assert.equal(await growing.add('Second one'), '<p>First.</p>\n')
  assert.equal(growing.tail, 'Second one')
})
