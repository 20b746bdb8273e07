import type { Secret } from '../secrets/secret.ts'

const longest = 2_000
const credentials = [
  /\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?/g, // JWT
  /\brt_[\w-]{6,}/g, // refresh token
  /\bsk-[\w*.-]{4,}/g, // API key, also one that an upstream shortened with stars
  /\bbearer\s+[\w.~+/=-]{8,}/gi,
]

/** Somebody else's text made fit for a row or a log: no credential, no control characters, at most `most` characters. */
export function scrub(text: string, used: readonly Secret[] = [], most = longest): string {
  let clean = text.slice(0, 4 * most)
  for (const secret of used) {
    if (secret.reveal().length > 3) clean = clean.replaceAll(secret.reveal(), '[secret]')
  }
  for (const pattern of credentials) clean = clean.replace(pattern, '[secret]')
  // A NUL cannot be stored in Postgres; the others spoil a log line.
  clean = clean.replace(/[^\P{Cc}\n\t]/gu, ' ').trim()
  return clean.length > most ? `${clean.slice(0, most - 1).toWellFormed()}…` : clean.toWellFormed()
}
