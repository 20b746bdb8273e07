/** Of a format as files name it; `bin` is bytes that cannot be shown. */
export function contentTypeOf(format: string): string {
  return format === 'bin' ? 'application/octet-stream' : `image/${format}`
}

export function extensionOf(format: string): string {
  return format === 'jpeg' ? 'jpg' : format
}
