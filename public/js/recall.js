/** What was typed first, then the prompts of before it, newest first; null before they were asked for. */
let entries = null
let at = 0

/** Puts an earlier prompt (`step` 1) or a later one (-1) into the field: of those that have in them what is typed there. */
export async function recall(prompt, step) {
  if (entries && prompt.value !== entries[at]) entries = null
  if (!entries) {
    const typed = prompt.value
    const earlier = await earlierThan(typed)
    // Typed on meanwhile.
    if (prompt.value !== typed) return
    entries = [typed, ...earlier]
    at = 0
  }
  const next = Math.min(Math.max(at + step, 0), entries.length - 1)
  if (next === at) return
  at = next
  prompt.value = entries[at]
  prompt.dispatchEvent(new Event('input', { bubbles: true }))
}

/** All, where nothing else has it in it: what is typed is the last prompt itself, as a rule. */
async function earlierThan(typed) {
  const others = prompts => prompts.filter(each => each !== typed)
  const alike = others(await fetchPrompts(typed.trim()))
  return alike.length > 0 || !typed.trim() ? alike : others(await fetchPrompts(''))
}

async function fetchPrompts(words) {
  const response = await fetch(`/images/prompts?${new URLSearchParams({ q: words })}`)
  if (!response.ok || response.redirected) return []
  const page = new DOMParser().parseFromString(await response.text(), 'text/html')
  return Array.from(page.querySelectorAll('#prompts-found li'), each => each.textContent)
}
