import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tidy } from './live.ts'

test('indentation of templates goes, that of code and of what was typed stays', () => {
  assert.equal(tidy('<div>\n    <p>a\n  b</p>\n\n  </div>\n'), '<div><p>a\n  b</p></div>')
  const code = '<pre><code><span>a</span>\n  <span>b</span></code></pre>'
  assert.equal(tidy(`<figure>\n  ${code}\n</figure>`), `<figure>${code}</figure>`)
  assert.equal(tidy('<form>\n <textarea>x\n  </textarea>\n</form>'), '<form><textarea>x\n  </textarea></form>')
})
