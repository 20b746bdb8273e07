import { toast } from './toast.js'

/** Of languages that are not called as their files end. */
const ENDS = {
  bash: 'sh',
  csharp: 'cs',
  javascript: 'js',
  kotlin: 'kt',
  markdown: 'md',
  perl: 'pl',
  plaintext: 'txt',
  python: 'py',
  ruby: 'rb',
  rust: 'rs',
  shell: 'sh',
  typescript: 'ts',
}
const acts = { wrap, save, copy }

/** On every block of code what can be done with it; the HTML of an answer is the same for every language. */
export function addTools(within) {
  const words = document.getElementById('thread')?.dataset
  for (const code of within.querySelectorAll('.prose .code:not(:has(.code-tools))')) {
    const tools = document.createElement('div')
    tools.className = 'code-tools'
    for (const act of Object.keys(acts)) {
      const button = document.createElement('button')
      button.type = 'button'
      button.className = `${act}-code`
      button.textContent = words[`${act}Code`]
      button.addEventListener('click', () => acts[act](code, button))
      tools.append(button)
    }
    code.prepend(tools)
  }
}

function wrap(code, button) {
  button.setAttribute('aria-pressed', String(code.classList.toggle('wraps')))
}

function save(code) {
  const { language = 'txt' } = code.dataset
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([textOf(code)], { type: 'text/plain' }))
  link.download = `code.${ENDS[language] ?? language.replace(/[^a-z0-9]/gi, '')}`
  link.click()
  // Once the browser has taken it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

async function copy(code) {
  const words = document.getElementById('toasts').dataset
  try {
    await navigator.clipboard.writeText(textOf(code))
    toast(words.copied)
  } catch {
    toast(words.copyFailed)
  }
}

function textOf(code) {
  return code.querySelector('code').textContent
}
