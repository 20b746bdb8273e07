/**
 * Within the gateway's site: a window that is opened from here has none of this frame's cookies, so it is given a ticket,
 * good once. Without one it opens all the same, and asks people to sign in.
 */
for (const kind of ['click', 'auxclick']) document.addEventListener(kind, open, { capture: true })

async function open(event) {
  const link = event.target.closest('a[href]')
  const isElsewhere =
    event.ctrlKey || event.metaKey || event.shiftKey || event.button === 1 || link?.target === '_blank'
  if (!link || !isElsewhere || event.button > 1 || link.origin !== location.origin) return
  event.preventDefault()
  event.stopPropagation()
  const tab = window.open('', '_blank')
  if (!tab) return location.assign(link.href)
  const to = link.pathname + link.search + link.hash
  tab.location.replace((await ticketTo(to)) ?? link.href)
}

async function ticketTo(to) {
  try {
    const answer = await fetch('/hand-over/window', { method: 'POST', body: new URLSearchParams({ to }) })
    return answer.ok && !answer.redirected ? await answer.text() : null
  } catch {
    return null
  }
}
