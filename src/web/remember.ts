/** `make`, whose results are remembered: at most `most` of them, however many names others come up with. */
export function remember<T>(most: number, make: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>()
  return name => {
    if (known.has(name)) return known.get(name)!
    if (known.size >= most) known.clear()
    const made = make(name)
    known.set(name, made)
    return made
  }
}
