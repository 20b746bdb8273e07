import { createHash } from 'node:crypto'

/** One form asks once, however often it is sent; gone back to and changed, the same form asks for something else. */
export function submissionOf(form: string, asked: unknown): string {
  return derivedSubmission(`form ${form}: ${JSON.stringify(asked)}`)
}

/** Always the same UUID for the same origin. */
export function derivedSubmission(origin: string): string {
  const hash = createHash('sha256').update(origin).digest()
  hash[6] = (hash[6]! & 0x0f) | 0x80
  hash[8] = (hash[8]! & 0x3f) | 0x80
  return hash.toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
