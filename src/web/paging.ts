/** Where a list goes on: behind the row with this time and id (keyset pagination). */
export interface Cursor {
  at: Date
  id: string
}

export function cursorOf(at: Date, id: string): string {
  return `${at.getTime().toString(36)}.${id}`
}

/** Null for the beginning, and for anything that is no cursor. */
export function parseCursor(value: unknown): Cursor | null {
  const [, time, id] = /^([0-9a-z]{1,11})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(String(value)) ?? []
  if (!time || !id) return null
  const at = new Date(Number.parseInt(time, 36))
  return Number.isNaN(at.getTime()) ? null : { at, id }
}
