import { characters } from '../web/text.ts'

export const LONGEST_TAG = 32
export const MOST_TAGS = 20
export const LONGEST_FOLDER = 64
export const MOST_FOLDERS = 500

/** Names that people take for the same have the same key. */
export function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}

/** A name on one line, without what cannot be seen around it. */
export function cleanName(typed: string): string {
  return typed
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/[\p{Cf}--[\u200d]]/gv, '')
    .trim()
}

/** Tags as they were typed, each once: between commas, Chinese ones too, and lines; a leading `#` is dropped. */
export function cleanTags(typed: readonly string[]): string[] {
  const names = typed
    .flatMap(text => text.split(/[,，、;；\n\r]/))
    .map(name => cleanName(name).replace(/^[#＃]+\s*/, ''))
    .filter(Boolean)
  return [...new Map(names.map(name => [nameKey(name), name] as const).toReversed()).values()].toReversed()
}

export function isTooLong(name: string, most: number): boolean {
  return characters(name) > most
}
