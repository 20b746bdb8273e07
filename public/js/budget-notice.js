// A budget that is nearly used is told by the browser too, once, where the person has allowed that.

import { lastingMemory } from './memory.js'

const KEPT = 'budget-told'

export function start() {
  const ask = document.querySelector('[data-ask-to-notify]')
  if (ask && !('Notification' in window)) ask.hidden = true
  else if (ask) {
    const show = () => {
      if (Notification.permission === 'granted') ask.replaceWith(ask.dataset.on)
      else if (Notification.permission === 'denied') ask.hidden = true
    }
    ask.addEventListener('click', () => void Notification.requestPermission().then(show))
    show()
  }

  const notice = document.querySelector('[data-notify]')
  if (!notice || !('Notification' in window) || Notification.permission !== 'granted') return
  if (lastingMemory.getItem(KEPT) === notice.dataset.notify) return
  lastingMemory.setItem(KEPT, notice.dataset.notify)
  new Notification(document.title, { body: notice.dataset.words, tag: KEPT })
}
