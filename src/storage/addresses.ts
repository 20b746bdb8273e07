/** Whether the address of a store has the bucket in it: in its path or, as AWS and R2 do it, in front of the host. */
export function namesBucket(endpoint: string, bucket: string): boolean {
  const url = URL.parse(endpoint)
  if (!url) return false
  const inPath = decoded(url.pathname)?.split('/').includes(bucket)
  const isBucketHost = /^(s3[.-].*amazonaws\.com|.*\br2\.cloudflarestorage\.com)/.test(
    url.hostname.slice(bucket.length + 1),
  )
  return inPath || (url.hostname.startsWith(`${bucket.toLowerCase()}.`) && isBucketHost)
}

/** Of the keys of objects that a CDN has under this address: it decodes the path to find them. */
export function prefixOf(cdnBase: string | undefined): string {
  return cdnBase ? decoded(new URL(cdnBase).pathname)!.replace(/^\/|\/$/g, '') : ''
}

/** Null where a % begins no UTF-8. */
export function decoded(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    return null
  }
}
