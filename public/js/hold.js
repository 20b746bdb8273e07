/** Ends the waiting of the press that waits; null when none does. */
let end = null

document.addEventListener('click', event => {
  if (event.target.closest('[data-call-off]')) callOff('called off')
})
addEventListener('beforeunload', event => {
  if (end) event.preventDefault()
})

export function isHeld() {
  return end !== null
}

/**
 * Holds back what costs money until each of `arrivals` has come, and says so meanwhile. False when one came to nothing,
 * which is said then, or when the person called it off: nothing may be sent.
 */
export async function hold(arrivals) {
  const { promise, resolve } = Promise.withResolvers()
  end = resolve
  show('waits')
  for (const arrival of arrivals) void arrival.then(what => what ?? resolve('missing'))
  void Promise.all(arrivals).then(() => resolve('arrived'))
  const why = await promise
  end = null
  show(why)
  return why === 'arrived'
}

/** `missing`: a file that was waited for is wanted no more. */
export function callOff(why) {
  end?.(why)
}

/** Another press: what was said of the last one is over. */
export function forget() {
  show('arrived')
}

function show(what) {
  const line = document.getElementById('held')
  const sentence = line.dataset[what]
  line.hidden = !sentence
  line.querySelector('span').textContent = sentence ?? ''
  line.querySelector('button').hidden = what !== 'waits'
}
