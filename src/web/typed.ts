/** What a Chinese or Japanese keyboard types in place of ASCII, as ASCII: `１０２４` is `1024`, `，` is a comma. */
export function halfWidth(text: string): string {
  return text.normalize('NFKC')
}

/** A size as people type it, as it is written here: `１０２４×１０２４` or `1024 X 1024` is `1024x1024`. */
export function plainSize(text: string): string {
  return halfWidth(text).replace(/(\d)\s*[x×✕*]\s*(?=\d)/gi, '$1x')
}
