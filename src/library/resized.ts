import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import type { StoredFile } from './file-queries.ts'

/**
 * Where Cloudflare makes the thumbnail of a picture that only the bucket behind its CDN has; null when it is ours to send.
 * https://developers.cloudflare.com/images/transform-images/transform-via-url/
 */
export async function resizedAtCdn(
  { config, storage }: Pick<Deps, 'config' | 'storage'>,
  { token, format }: StoredFile,
): Promise<string | null> {
  const base = baseOf(config)
  if (!base || format === 'bin' || !(await storage.onlyInBucket(token))) return null
  const { thumbnailEdge: edge } = config
  const how = `width=${edge},height=${edge},fit=scale-down,quality=80,format=auto`
  return `${base.origin}/cdn-cgi/image/${how}${base.pathname.replace(/\/$/, '')}/${token}`
}

/** Which other origins pages show thumbnails from. */
export function resizingOrigins(config: Readonly<Config>): string[] {
  const base = baseOf(config)
  return base ? [base.origin] : []
}

function baseOf({ cdnBase, resizesAtCdn }: Pick<Config, 'cdnBase' | 'resizesAtCdn'>): URL | null {
  return resizesAtCdn && cdnBase ? new URL(cdnBase) : null
}
