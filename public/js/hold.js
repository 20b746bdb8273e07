/** Ends the waiting of the press that waits; null when none does. */
let end = null
let said = ''

document.addEventListener('click', event => {
  if (event.target.closest('[data-call-off]')) callOff('called off')
})
addEventListener('beforeunload', event => {
  if (end) event.preventDefault()
})

/** Whether a press waits already; said, if so. */
export function isHeld() {
  if (end) show('again')
  return end !== null
}

/** Whether a press sends nothing, as another one waits, or a refused file stands in its form. Said, if so. */
export function isStopped() {
  if (isHeld()) return true
  if (isRefused()) show('refused')
  return isRefused()
}

/**
 * Holds back what costs money until each of `arrivals` has come, and says so meanwhile. False when one came to nothing,
 * which is said then, or when the person called it off: nothing may be sent.
 */
export async function hold(arrivals) {
  const { promise, resolve } = Promise.withResolvers()
  end = resolve
  show('waits')
  for (const arrival of arrivals) void arrival.then(what => what ?? resolve(isRefused() ? 'refused' : 'missing'))
  void Promise.all(arrivals).then(() => resolve('arrived'))
  const why = await promise
  end = null
  show(why)
  return why === 'arrived'
}

/** `missing`: a file that was waited for is wanted no more. */
export function callOff(why) {
  if (end) end(why)
  else if (said === 'refused' && !isRefused()) show('')
}

/** Another press: what was said of the last one is over. */
export function forget() {
  show('')
}

function isRefused() {
  return document.querySelector('form .refused-file') !== null
}

function show(what) {
  said = what
  const line = document.getElementById('held')
  const sentence = line.dataset[what]
  line.hidden = !sentence
  line.querySelector('span').textContent = sentence ?? ''
  line.querySelector('button').hidden = !end
  line.classList.remove('again')
  if (what !== 'again') return
  // Read in between, the class begins its animation anew.
  line.scrollIntoView({ block: 'nearest' })
  line.classList.add('again')
}
