let dialog
let current

/** Opens the pictures of a page large, in their order, over the page. The links work without it. */
export function start() {
  dialog = document.getElementById('lightbox')
  if (!dialog) return
  document.addEventListener('click', event => {
    const link = event.target.closest('a[data-picture]')
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    open(link)
  })
  dialog.addEventListener('click', event => {
    const act = event.target.closest('[data-act]')?.dataset.act
    // Open and download are links.
    if (act in acts) acts[act]()
    else if (event.target.matches('.lightbox-stage')) dialog.close()
  })
  dialog.addEventListener('keydown', event => {
    const act = { ArrowLeft: 'previous', ArrowRight: 'next', i: 'facts', f: 'favourite', Delete: 'delete' }[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    acts[act]()
  })
  dialog.addEventListener('close', () =>
    links()
      .find(link => link.dataset.picture === current)
      ?.focus(),
  )
  swipe(dialog.querySelector('.lightbox-stage'))
}

const acts = {
  previous: () => step(-1),
  next: () => step(1),
  close: () => dialog.close(),
  facts() {
    const facts = dialog.querySelector('.lightbox-facts')
    facts.hidden = !facts.hidden
    dialog.querySelector('[data-act="facts"]').setAttribute('aria-pressed', String(!facts.hidden))
    loadFacts()
  },
  favourite() {
    submit('.favourite')
    const star = dialog.querySelector('[data-act="favourite"]')
    star.setAttribute('aria-pressed', String(star.getAttribute('aria-pressed') !== 'true'))
  },
  delete() {
    const gone = current
    if (!step(1) && !step(-1)) dialog.close()
    submit('.delete', gone)
  },
}

function links() {
  return [...document.querySelectorAll('a[data-picture]')]
}

function open(link) {
  current = link.dataset.picture
  const all = links()
  const thumbnail = link.querySelector('img')
  const picture = dialog.querySelector('.lightbox-stage img')
  const { width, height } = link.dataset
  picture.classList.toggle('alpha', link.matches('.alpha'))
  picture.style.aspectRatio = `${width} / ${height}`
  picture.style.width = `min(100%, ${width}px, (100dvh - 80px) * ${width / height})`
  picture.alt = thumbnail.alt
  // The thumbnail is here already: it stands in until the original has come.
  picture.style.backgroundImage = link.matches('.alpha') ? '' : `url("${thumbnail.currentSrc}")`
  picture.src = link.dataset.full
  const label = dialog.querySelector('.lightbox-label')
  label.textContent = link.dataset.label ?? ''
  label.hidden = !link.dataset.label
  dialog.querySelector('[data-act="open"]').href = link.href
  dialog.querySelector('[data-act="download"]').href = link.dataset.download
  const favourite = link.closest('.picture').querySelector('[name="favourite"]')
  dialog.querySelector('[data-act="favourite"]').setAttribute('aria-pressed', favourite.getAttribute('aria-pressed'))
  dialog.querySelector('[data-act="previous"]').disabled = all[0] === link
  dialog.querySelector('[data-act="next"]').disabled = all.at(-1) === link
  if (!dialog.open) dialog.showModal()
  loadFacts()
}

function step(by) {
  const all = links()
  const next = all[all.findIndex(link => link.dataset.picture === current) + by]
  if (next) open(next)
  return next
}

function submit(form, id = current) {
  document
    .querySelector(`#picture-${CSS.escape(id)} ${form}`)
    ?.requestSubmit(document.querySelector(`#picture-${CSS.escape(id)} ${form} button`))
}

function loadFacts() {
  const facts = dialog.querySelector('.lightbox-facts')
  if (facts.hidden || facts.dataset.of === current) return
  facts.dataset.of = current
  window.htmx.ajax('GET', `/library/${encodeURIComponent(current)}`, { target: '.lightbox-facts', swap: 'innerHTML' })
}

function swipe(stage) {
  let from = null
  stage.addEventListener('pointerdown', event => {
    from = event.pointerType === 'touch' ? event.clientX : null
  })
  stage.addEventListener('pointerup', event => {
    const way = from === null ? 0 : event.clientX - from
    from = null
    if (Math.abs(way) > 48) step(way < 0 ? 1 : -1)
  })
}
