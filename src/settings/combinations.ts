import { namesBucket } from '../storage/addresses.ts'
import type { Gathered } from './sources.ts'

type Values = Gathered['values']

const s3Names = ['R2_ENDPOINT', 'R2_BUCKET', 'R2_ACCESS_KEY_ID', 'R2_SECRET_ACCESS_KEY'] as const

/** Of variables that do not go together, a sentence each. `from`: what was given, if only by name. */
export function problemsBetween(values: Values, from: Gathered['from']): string[] {
  const problems: string[] = []
  const absent = s3Names.filter(name => !from[name])
  if (absent.length > 0 && absent.length < s3Names.length) {
    problems.push(
      `R2_* must be given all or not at all: ${absent.join(', ')} ${absent.length > 1 ? 'are' : 'is'} missing`,
    )
  }
  const { R2_ENDPOINT: endpoint, R2_BUCKET: bucket } = values
  if (endpoint && bucket && namesBucket(endpoint, bucket)) {
    problems.push('R2_ENDPOINT must not name the bucket, which R2_BUCKET does: objects would lie under it once more')
  }
  if (values.PLAYGROUND_IMAGE_CDN_BASE && absent.length === s3Names.length) {
    problems.push('PLAYGROUND_IMAGE_CDN_BASE must go with R2_*: it is the address of a bucket, and there is none')
  }
  const { PLAYGROUND_EMBED_ORIGIN: embed } = values
  if (embed && URL.parse(embed)?.origin === embed && !keepsSecureCookies(values.PLAYGROUND_PUBLIC_ORIGIN)) {
    problems.push(
      'PLAYGROUND_EMBED_ORIGIN needs an https:// PLAYGROUND_PUBLIC_ORIGIN: browsers keep no other cookie in a frame',
    )
  }
  const shared = from.DATABASE_URL
    ? 'DATABASE_URL is given'
    : values.PLAYGROUND_ROLE && values.PLAYGROUND_ROLE !== 'all'
      ? 'several roles share it'
      : ''
  if (shared && !from.SESSION_SECRET) {
    problems.push(`SESSION_SECRET is missing: ${shared}, so the secret cannot be one that this process makes up`)
  }
  return problems
}

/** Of what runs, but hardly as it is meant. */
export function warningsBetween(values: Values): string[] {
  const warnings: string[] = []
  if (values.PLAYGROUND_PUBLIC_ORIGIN?.startsWith('https:') && trustsNobody(values.PLAYGROUND_TRUST_PROXY)) {
    warnings.push(
      'PLAYGROUND_TRUST_PROXY is none, but a proxy must stand in front where PLAYGROUND_PUBLIC_ORIGIN is https: everybody counts as one address',
    )
  }
  if (values.PLAYGROUND_ENABLE_CF_IMAGE_RESIZING === 'true' && !values.PLAYGROUND_IMAGE_CDN_BASE) {
    warnings.push('PLAYGROUND_ENABLE_CF_IMAGE_RESIZING does nothing without PLAYGROUND_IMAGE_CDN_BASE')
  }
  if (values.PLAYGROUND_ROLE && values.PLAYGROUND_ROLE !== 'all' && !values.R2_BUCKET) {
    warnings.push(
      `PLAYGROUND_ROLE is ${values.PLAYGROUND_ROLE} and there is no bucket (R2_*): every process must see the same PLAYGROUND_DATA_DIR`,
    )
  }
  return warnings
}

/** To try it out, this very machine will do. */
function keepsSecureCookies(origin = ''): boolean {
  return /^(https:|http:\/\/(localhost|127\.0\.0\.1)(:|$))/.test(origin)
}

function trustsNobody(proxies: string | undefined): boolean {
  return proxies === undefined || ['none', '0'].includes(proxies.trim())
}
