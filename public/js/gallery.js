const MOST = 480

const list = document.getElementById('exhibits')
let isAsked = false

if (list) watch()

/** What comes next is fetched before somebody gets there. The link leads to it without JavaScript, and where the page is long enough. */
function watch() {
  const older = document.getElementById('older')
  if (!older || list.querySelectorAll('.exhibit').length >= MOST) return
  const near = new IntersectionObserver(
    entries => {
      if (!entries.some(entry => entry.isIntersecting) || isAsked) return
      near.disconnect()
      void grow(older)
    },
    { rootMargin: '1200px' },
  )
  near.observe(older)
}

async function grow(older) {
  isAsked = true
  const address = new URL(older.querySelector('a').href)
  address.searchParams.set('part', 'older')
  try {
    const answer = await fetch(address)
    if (!answer.ok) return
    const more = document.createRange().createContextualFragment(await answer.text())
    const added = [...more.children]
    older.replaceWith(more)
    for (const each of added) window.htmx?.process(each)
    note()
    watch()
  } catch {
    // The link is still there.
  } finally {
    isAsked = false
  }
}

/** The address says how far down was looked: reload and Back show it to there. */
function note() {
  const { through } = document.getElementById('older')?.dataset ?? {}
  if (through && !new URLSearchParams(location.search).has('before')) history.replaceState(history.state, '', through)
}
