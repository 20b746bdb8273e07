import { start as startAgain } from './again.js'
import { start as startAnnouncements } from './announcements.js'
import { start as startBudget } from './budget-notice.js'
import { start as startComposer } from './composer.js'
import { start as startElapsed } from './elapsed.js'
import { start as startKeyboard } from './keyboard.js'
import { start as startNews } from './news.js'
import { start as startTiles } from './tiles.js'
import { toast } from './toast.js'
import { start as startTyped } from './typed.js'

rememberTimeZone()
document.addEventListener('click', onClick)
document.addEventListener('change', event => nameFile(event.target.closest('.file-field')))
document.addEventListener('htmx:error', event => onFailure(event.detail.ctx))
document.addEventListener('htmx:response:error', event => {
  if (!event.detail.ctx.text.includes('<hx-partial') && event.detail.ctx.response.status !== 422)
    onFailure(event.detail.ctx)
})
addEventListener('pageswap', nameTransition)
addEventListener('pagereveal', nameTransition)

startTyped()
document.querySelectorAll('.file-field').forEach(nameFile)
startAgain()
startAnnouncements()
startBudget()
startComposer()
startElapsed()
startKeyboard()
startTiles()
startNews()
if (!document.getElementById('lightbox')) leaveByReading()

/** The server writes times in this zone; it learns it from the next request on. */
function rememberTimeZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  const where = 'framed' in document.documentElement.dataset ? 'samesite=none;secure;partitioned' : 'samesite=lax'
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser yet
  if (zone) document.cookie = `tz=${encodeURIComponent(zone)};path=/;max-age=31536000;${where}`
}

function nameFile(field) {
  if (field) field.querySelector('.file-name').textContent = field.querySelector('input').files[0]?.name ?? ''
}

async function onClick(event) {
  const target = event.target.closest('[data-copy],[data-dismiss]')
  if (!target) return
  if ('dismiss' in target.dataset) target.closest('.notice').remove()
  else {
    const words = document.getElementById('toasts').dataset
    try {
      await navigator.clipboard.writeText(target.dataset.copy)
      target.closest('[popover]')?.hidePopover()
      toast(words.copied)
    } catch {
      toast(words.copyFailed)
    }
  }
}

/** Polls and drafts try again by themselves; what a person pressed has to say that nothing happened. */
function onFailure(ctx) {
  const source = ctx?.sourceElement
  if (source && !source.matches('#pulse,#arrivals,.job-page,.composer-body,#options')) {
    toast(document.getElementById('toasts').dataset.offline)
  }
}

/**
 * A picture's address that was read anew while the picture was open is a page of its own, but the browser still takes the list
 * before it for the same document, and would leave this one standing.
 */
function leaveByReading() {
  const here = location.pathname + location.search
  addEventListener('popstate', () => {
    if (location.pathname + location.search !== here) location.reload()
  })
}

/** Lets a picture grow from its tile into its page and back. */
function nameTransition(event) {
  const other = event.activation ?? window.navigation?.activation
  const url = event.type === 'pageswap' ? other?.entry?.url : other?.from?.url
  const id = [url, location.href].map(href => /\/library\/([\w-]{20,})/.exec(href ?? '')?.[1]).find(Boolean)
  const picture = id && (document.getElementById(`original-${id}`) ?? document.querySelector(`#picture-${id} .media`))
  // Asked for only where it is used: one that a browser gives up counts as an error in a page that knows of it.
  const transition = picture && event.viewTransition
  if (!transition) return
  picture.style.viewTransitionName = 'picture'
  transition.ready.catch(() => {})
  transition.updateCallbackDone.catch(() => {})
  const forget = () => {
    picture.style.viewTransitionName = ''
  }
  transition.finished.then(forget, forget)
}
