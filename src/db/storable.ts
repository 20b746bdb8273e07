/** Text that Postgres can keep: without NUL, which no column takes, and without half surrogate pairs, which jsonb refuses. */
export function storable(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed()
}

/** Makes the fields of a form or a query, each a text or several, such as Postgres can keep; a name that is not is no field. */
export function storableFields<T extends Record<string, unknown>>(fields: T): T {
  const clean = (value: unknown): unknown =>
    typeof value === 'string' ? storable(value) : Array.isArray(value) ? value.map(clean) : value
  for (const [name, value] of Object.entries(fields)) {
    if (storable(name) === name) Reflect.set(fields, name, clean(value))
    else Reflect.deleteProperty(fields, name)
  }
  return fields
}

/** A JSON document of somebody else, its texts as Postgres can keep them. Throws SyntaxError. */
export function parseStorable(json: string): unknown {
  // Only an escape can bring what is refused; a reviver costs ten times the parsing.
  if (!/\\u(?:0000|d[89a-f])/i.test(json)) return JSON.parse(json)
  try {
    return JSON.parse(json, (_, value: unknown) => (typeof value === 'string' ? storable(value) : value))
  } catch (error) {
    // The reviver goes down the document by recursion.
    throw error instanceof RangeError ? new SyntaxError('the document is nested too deeply', { cause: error }) : error
  }
}
