/** Where the reader is in the conversation: at the message that the address names, and there still when older ones come above. */
export function start() {
  const named = goToNamed()
  addEventListener('hashchange', goToNamed)
  const asked = new URLSearchParams(location.search)
  if (!document.getElementById('follow') && !named) {
    const shown = asked.has('before') ? document.querySelector('#thread > :last-child') : messageOf(asked.get('at'))
    shown?.scrollIntoView({ block: 'end', behavior: 'instant' })
  }
  fetchOlder()

  // By swap: the stream may put something else in between.
  const places = new WeakMap()
  document.addEventListener('htmx:before:swap', ({ detail: { ctx } }) => {
    if (!ctx.sourceElement?.closest?.('#older-messages')) return
    const below = document.querySelector('#above > .thread > .message, #thread > .message')
    places.set(ctx, { below, top: below.getBoundingClientRect().top })
  })
  document.addEventListener('htmx:after:swap', ({ detail: { ctx } }) => {
    const place = places.get(ctx)
    // Most browsers hold it by themselves, but none at the very top of the page.
    if (place) scrollBy({ top: place.below.getBoundingClientRect().top - place.top, behavior: 'instant' })
  })
}

/** When the reader comes up to where they begin; not from the start, when a page that opens slowly shows its top. */
function fetchOlder() {
  const seen = new WeakSet()
  const observer = new IntersectionObserver(entries => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue
      observer.unobserve(target)
      target.click()
    }
  })
  const watch = () => {
    const link = document.querySelector('#older-messages a')
    if (!link || seen.has(link)) return
    seen.add(link)
    observer.observe(link)
  }
  watch()
  document.addEventListener('htmx:after:swap', watch)
}

/** A message further up than this page begins has a page of its own. */
function goToNamed() {
  const named = /^#m-([0-9a-f-]{36})$/.exec(location.hash)?.[1]
  const isAsked = new URLSearchParams(location.search).get('at') === named
  if (named && !messageOf(named) && !isAsked) location.replace(`${location.pathname}?at=${named}${location.hash}`)
  return named
}

function messageOf(id) {
  return document.getElementById(`m-${id}`)
}
