/**
 * What keys do with the picture that has the focus, else the one under the pointer, else the one whose page it is. Each
 * answers whether there was one.
 */
export const ofPicture = {
  o: () => press(within('a[data-picture], .picture > a.media, a[href^="/library/"]:has(> img)') ?? whole()),
  r: () => useAsReference(),
}

/** By the link that does it on its page: in Create it is added to the form, anywhere else one gets there with it. */
export function useAsReference(id = idHere()) {
  if (!id) return false
  const link = document.createElement('a')
  link.href = `/images?reference=${encodeURIComponent(id)}`
  document.body.append(link)
  link.click()
  link.remove()
  return true
}

function idHere() {
  const shown = within('a[data-picture]')?.dataset.picture
  const linked = within('a[href^="/library/"]:has(> img)')?.pathname.split('/')[2]
  const page = whole() && location.pathname.split('/')[2]
  return [shown, linked, page].find(id => /^[0-9a-f-]{36}$/.test(id ?? ''))
}

/** The picture of a page of its own, in the library. */
function whole() {
  return location.pathname.startsWith('/library/') ? document.querySelector('.picture-page .original') : null
}

function within(selector) {
  const under = [...document.querySelectorAll(':hover')].at(-1)
  for (const place of [document.activeElement, under]) {
    if (!place || place === document.body) continue
    const found = place.closest(selector) ?? place.closest('.picture, .lineage li')?.querySelector(selector)
    if (found) return found
  }
  return null
}

function press(element) {
  element?.click()
  return Boolean(element)
}
