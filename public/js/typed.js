import { memory } from './memory.js'

const { person } = document.documentElement.dataset
const place = `typed ${person} ${location.pathname}`
const TEXT = 'textarea,input:is(:not([type]),[type="text"],[type="number"])'
/** By field: what was typed into it and not taken yet. `leaving`: its form was sent by a new page, which tells. */
let typed = {}
/** Parts of the page that are saved as drafts, while what was typed last is not. */
const unsaved = new Set()
let focused = null

/**
 * Words that were typed outlive what happens to their page: another one in its place, a fragment swapped in, an answer
 * that is no answer. They stay in this tab until a form with them was taken, and are put back where they were typed.
 */
export function start() {
  // Nobody is signed in: what waits for its person waits on.
  if (!person) return
  for (const key of Object.keys(memory)) {
    if (key.startsWith('typed ') && !key.startsWith(`typed ${person} `)) memory.removeItem(key)
  }
  typed = kept()
  const [navigation] = performance.getEntriesByType('navigation')
  // A page that came as an answer has taken what was sent; one that was gone back to, or asked for anew, has not.
  if (document.referrer && navigation?.type !== 'back_forward') typed = only(([, { leaving }]) => !leaving)
  // A page of settings that were asked for has those, and no words of before.
  const asked = new URLSearchParams(location.search)
  if (['from', 'edit', 'example', 'remix', 'saved', 'idea', 'suggested', 'draft'].some(name => asked.has(name)))
    typed = {}
  putBack()

  document.addEventListener('input', onInput)
  addEventListener('submit', onSubmit)
  document.addEventListener('htmx:config:request', ({ detail }) => unsaved.delete(detail.ctx.sourceElement))
  document.addEventListener('htmx:finally:request', ({ detail }) => {
    const { sourceElement: source, response } = detail.ctx
    if (source?.matches('[hx-post$="/draft"]') && !response?.raw.ok) unsaved.add(source)
  })
  document.addEventListener('htmx:after:request', onAnswer)
  document.addEventListener('htmx:before:swap', () => {
    const field = document.activeElement
    focused = keyOf(field) && { key: keyOf(field), from: field.selectionStart, to: field.selectionEnd }
  })
  document.addEventListener('htmx:after:swap', putBack)
  for (const leaving of ['beforeunload', 'pagehide']) addEventListener(leaving, saveDrafts)
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) saveDrafts()
  })
}

/** What was typed into a field is elsewhere now. */
export function forgetTyped(field) {
  delete typed[keyOf(field)]
  keep()
}

function onInput({ target }) {
  const draft = target.closest('[hx-post$="/draft"]')
  if (draft) unsaved.add(draft)
  const key = keyOf(target)
  if (!key) return
  if (target.value === target.defaultValue) delete typed[key]
  else typed[key] = { value: target.value }
  keep()
}

function onSubmit(event) {
  // Its answer comes into this page: see there.
  if (event.defaultPrevented) return
  if (event.target.matches('[action="/logout"]')) return memory.clear()
  for (const field of event.target.elements) if (typed[keyOf(field)]) typed[keyOf(field)].leaving = true
  keep()
}

/** A form is taken as it was sent: what was typed since is not. */
function onAnswer({ detail }) {
  const { sourceElement: source, request, response } = detail.ctx
  if (!response.raw.ok || !source?.matches('form') || request.submitter?.matches('[data-not-taken]')) return
  for (const field of source.elements) {
    const key = keyOf(field)
    if (key && typed[key]?.value === request.body?.get(field.name)?.replaceAll('\r\n', '\n')) delete typed[key]
  }
  keep()
}

function putBack() {
  for (const field of document.querySelectorAll(TEXT)) {
    const key = keyOf(field)
    if (!key) continue
    // As the server wrote it: what is on its way, or was put there by a press, stays.
    if (typed[key] && field.value === field.defaultValue) {
      field.value = typed[key].value
      const folded = field.closest('details')
      if (folded) folded.open = true
    }
    if (focused?.key !== key || document.activeElement !== document.body) continue
    field.focus({ preventScroll: true })
    if (focused.from !== null) field.setSelectionRange(focused.from, focused.to)
  }
}

/** The page goes before its pause in typing came: what is unsaved is sent along. */
function saveDrafts() {
  for (const draft of unsaved) {
    const body = new FormData(draft.closest('form'))
    body.delete('file')
    const text = new URLSearchParams(body).toString()
    const headers = { 'HX-Request': 'true', 'Content-Type': 'application/x-www-form-urlencoded' }
    // Browsers let no more than 64 KiB outlive their page.
    const keepalive = text.length < 60_000
    fetch(draft.getAttribute('hx-post'), { method: 'POST', body: text, headers, keepalive }).catch(() => {})
  }
  unsaved.clear()
}

/** The same for a field that takes its place; undefined for what is no words of a form that changes something. */
function keyOf(field) {
  if (!field?.matches?.(TEXT) || field.form?.method !== 'post') return undefined
  return [field.closest('[id]').id, field.form.getAttribute('action'), field.name].join(' ')
}

function kept() {
  try {
    return JSON.parse(memory.getItem(place)) ?? {}
  } catch {
    return {}
  }
}

function only(wanted) {
  return Object.fromEntries(Object.entries(typed).filter(wanted))
}

function keep() {
  try {
    if (Object.keys(typed).length === 0) memory.removeItem(place)
    else memory.setItem(place, JSON.stringify(typed))
  } catch {
    // More than a tab may keep: the draft has it.
  }
}
