import { lastingMemory } from './memory.js'

/** What a browser remembers, of this person's wishes; neither is on before it was pressed. */
const WISHES = ['notify', 'sound']
const SOUND_SECONDS = 0.35

let title = ''
/** Seen while they were under way: what is announced again, when its cost is known, is no news. */
const underWay = new Set()
let count = 0

/** What is done while nobody looks is told by title and icon of the tab, and, where it is wished, by the browser and a sound. */
export function start() {
  const live = document.getElementById('live')
  new MutationObserver(() => {
    const done = [...live.querySelectorAll('[data-done]')].filter(({ dataset }) => underWay.delete(dataset.done))
    if (document.hidden && done.length > 0) tell(done.map(each => each.textContent))
  }).observe(live, { childList: true })
  note()
  document.addEventListener('htmx:after:swap', note)
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) forget()
  })
  for (const name of WISHES) {
    const button = document.querySelector(`[data-news="${name}"]`)
    button?.setAttribute('aria-pressed', String(isWished(name)))
    button?.addEventListener('click', () => wish(name, button))
  }
}

function note() {
  for (const { id } of document.querySelectorAll('.job:is(.state-queued, .state-running), .answer.writing'))
    underWay.add(id)
}

function tell(words) {
  title ||= document.title
  count += words.length
  document.title = `(${count}) ${title}`
  showIcon('news')
  if (isWished('notify') && window.Notification?.permission === 'granted') {
    // Of one kind: the next takes the place of the last.
    const note = new Notification(title, { body: words.join('\n'), tag: 'done' })
    note.onclick = () => {
      window.focus()
      note.close()
    }
  }
  if (isWished('sound')) play()
}

function forget() {
  if (count === 0) return
  document.title = title
  title = ''
  count = 0
  showIcon('icon')
}

function showIcon(which) {
  const link = document.querySelector('link[rel="icon"]')
  link.dataset.icon ??= link.getAttribute('href')
  link.href = link.dataset[which]
}

async function wish(name, button) {
  let on = !isWished(name)
  if (on && name === 'notify' && (await window.Notification?.requestPermission()) !== 'granted') {
    on = false
    const hint = button.closest('dd').querySelector('.hint')
    hint.textContent = hint.dataset.blocked
  }
  if (on) lastingMemory.setItem(`news-${name}`, 'on')
  else lastingMemory.removeItem(`news-${name}`)
  button.setAttribute('aria-pressed', String(on))
  if (on && name === 'sound') play()
}

function isWished(name) {
  return lastingMemory.getItem(`news-${name}`) === 'on'
}

/** Two soft notes; a browser that does not allow it yet stays silent. */
function play() {
  const context = new AudioContext()
  const volume = new GainNode(context, { gain: 0.08 })
  volume.connect(context.destination)
  for (const [at, frequency] of [660, 880].entries()) {
    const note = new OscillatorNode(context, { frequency })
    note.connect(volume)
    note.start(context.currentTime + (at * SOUND_SECONDS) / 2)
    note.stop(context.currentTime + ((at + 1) * SOUND_SECONDS) / 2)
    if (at === 1) note.onended = () => context.close()
  }
}
