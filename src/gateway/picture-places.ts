import { fieldsOf } from './refusals.ts'

// OpenAI says `b64_json` or `url`; behind an API-key account a relay's own reply comes through as it is.
const base64Names = ['b64_json', 'b64', 'base64', 'image_base64', 'image_b64', 'base64_image', 'b64_image']
const addressNames = ['url', 'image_url', 'image_urls', 'urls', 'uri', 'src']
const eitherNames = ['image', 'images', 'data', 'output', 'outputs', 'result', 'results', 'artifacts']

/** Names whose strings are base64. */
export const pictureKeys: ReadonlySet<string> = new Set(base64Names)
/** Names whose strings may be base64, plain or as a data URL, or an address. */
export const addressKeys: ReadonlySet<string> = new Set([...addressNames, ...eitherNames])

const places = [...base64Names, ...addressNames, ...eitherNames]
const deepest = 3

/** The items of a reply that is not a stream, one for each picture; an event is its own item. */
export function itemsOf(json: Record<string, unknown>): unknown[] {
  const lists = [...eitherNames, ...addressNames].map(name => json[name])
  return lists.find((list): list is unknown[] => Array.isArray(list) && list.length > 0) ?? [json]
}

/**
 * Where the picture of one item is: its number among those that were read, or the address of a file, which costs another call.
 * Null when the item has none.
 */
export function placeOf(item: unknown): number | string | null {
  const found = [...placesIn(item, '', 0)]
  return found.find(place => typeof place === 'number') ?? found.find(isAddress) ?? null
}

function* placesIn(value: unknown, name: string, depth: number): Generator<number | string> {
  if (typeof value === 'number') yield value
  else if (typeof value === 'string' && (addressNames.includes(name) || isPlainAddress(value))) yield value
  else if (Array.isArray(value)) yield* placesIn(value[0], name, depth + 1)
  else if (depth < deepest) {
    const fields = fieldsOf(value)
    for (const inner of places) if (fields[inner] !== undefined) yield* placesIn(fields[inner], inner, depth + 1)
  }
}

function isAddress(place: number | string): place is string {
  return typeof place === 'string' && place !== ''
}

/** What stands under a name that may also hold other words. */
function isPlainAddress(text: string): boolean {
  return /^(?:https?:\/)?\//i.test(text)
}
