/** An address of the library that offers to undo this change. */
export function withUndo(address: string, id: string): string {
  const clean = withoutUndo(address)
  return `${clean}${clean.includes('?') ? '&' : '?'}undo=${id}`
}

export function withoutUndo(address: string): string {
  const url = new URL(address, 'http://here.invalid')
  url.searchParams.delete('undo')
  return url.pathname + url.search
}
