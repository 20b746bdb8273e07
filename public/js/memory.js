/**
 * What a browser remembers, of this tab and for good: its own `sessionStorage` and `localStorage`; in a frame that is denied
 * them, this page alone remembers.
 */
export const memory = kept(() => sessionStorage)
export const lastingMemory = kept(() => localStorage)

function kept(storage) {
  try {
    return storage()
  } catch {
    return ofPage()
  }
}

/** The names are the object's own, as those of a `Storage` are. */
function ofPage() {
  const names = Object.create({
    getItem: name => (Object.hasOwn(names, name) ? names[name] : null),
    setItem: (name, text) => {
      names[name] = String(text)
    },
    removeItem: name => {
      delete names[name]
    },
    clear: () => {
      for (const name of Object.keys(names)) delete names[name]
    },
  })
  return names
}
