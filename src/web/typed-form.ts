type Fields = Record<string, string | string[]>

/** A form that was not taken, as it is shown to be sent again: what its person typed can be read and changed. */
export interface TypedForm {
  action: string
  words: { name: string; value: string }[]
  /** What goes along as it was. */
  rest: { name: string; value: string }[]
}

const MOST_CHARACTERS = 200_000

/** The fields of a form, as far as they are text and not too much of it. */
export function plainFields(body: unknown): Fields {
  const kept: Fields = {}
  let left = MOST_CHARACTERS
  for (const [name, value] of Object.entries(body ?? {})) {
    // A field that comes several times, as the references of a picture do, is a list.
    const texts = [value].flat()
    if (!texts.every(text => typeof text === 'string') || name.length > 50) continue
    const length = texts.join('').length
    if (length > left) continue
    kept[name] = texts.length === 1 ? texts[0]! : texts
    left -= length
  }
  return kept
}

/** Null when nothing was typed: a button, pressed again, does the same. `typed` names the fields that people write in. */
export function typedForm(action: string, fields: Fields, typed: readonly string[]): TypedForm | null {
  const all = Object.entries(fields).flatMap(([name, values]) => [values].flat().map(value => ({ name, value })))
  const words = all.filter(({ name, value }) => typed.includes(name) && value.trim() !== '')
  return words.length > 0 ? { action, words, rest: all.filter(field => !words.includes(field)) } : null
}
