/** Of a format as files name it; `bin` is bytes that cannot be shown. */
export function contentTypeOf(format: string): string {
  return format === 'bin' ? 'application/octet-stream' : `image/${format}`
}

/** Of what lies in the store under this name; `format`: of the picture, where it is one. */
export function objectTypeOf(name: string, format: string | null): string {
  const [, suffix = ''] = name.split('.')
  if (suffix === 'thumb') return 'image/webp'
  if (suffix === 'conversation') return 'application/json'
  if (suffix === 'import') return 'application/zip'
  return contentTypeOf(format ?? 'bin')
}

export function extensionOf(format: string): string {
  return format === 'jpeg' ? 'jpg' : format
}
