// An announcement is put away without leaving the page: what was typed there stays.

export function start() {
  document.addEventListener('submit', event => {
    const form = event.target.closest('[data-put-away]')
    if (!form) return
    event.preventDefault()
    fetch(form.action, { method: 'POST', redirect: 'manual', keepalive: true }).catch(() => undefined)
    const next = document.getElementById('main')
    form.closest('.notice').remove()
    next.focus({ preventScroll: true })
  })
}
