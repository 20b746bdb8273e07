/**
 * What draws something by itself: letters, digits, signs, private and not yet assigned pictures. Marks only change what
 * stands before them; of the rest Unicode says itself that nothing is shown (a soft hyphen, a Hangul filler, a tag), but
 * for the empty Braille cell, the place of an object that is not there, and the headless note.
 */
const visible =
  /[[\p{L}\p{N}\p{P}\p{S}\p{Co}\p{Extended_Pictographic}]--[\p{Default_Ignorable_Code_Point}\u2800\ufffc\u{1d159}]]/v

/** Whether there is anything to be seen in it. */
export function isVisible(text: string): boolean {
  return visible.test(text)
}

/** Length in code points, as people, the page and the model count. */
export function characters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

/** `512 KiB`, `8 MiB`, `4 GiB`: a limit as it is told. */
export function binarySize(bytes: number): string {
  if (bytes > 0 && bytes % 1024 ** 3 === 0) return `${bytes / 1024 ** 3} GiB`
  return bytes < 1024 ** 2 ? `${Math.floor(bytes / 1024)} KiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`
}
