import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { growingBytes } from '../wire/growing-bytes.ts'
import { isPublicAddress } from './public-address.ts'

export interface GuardOptions {
  signal: AbortSignal
  /** The gateway, which may live on a private address. */
  upstream: URL
  /** Bytes. */
  limit: number
  /** Milliseconds for everything. */
  timeout?: number
  /** Replaced in tests only. */
  isAllowed?: (address: string) => boolean
  lookup?: typeof systemLookup
}

const mostRedirects = 3

/** It is never fetched from: trying again changes nothing. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

const longestLink = 2_000
const insideName = /(?:^|\.)(?:localhost|local|internal|lan|home|corp|intranet|home\.arpa)\.?$/

/** An address as a link for a person, null where it might lead them inside somebody's network, or names a user. */
export function linkOf(address: string): { url: string; host: string } | null {
  const url = address.length > longestLink ? null : URL.parse(address)
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') return null
  const name = url.hostname.replace(/^\[|\]$/g, '')
  const isOutside = isIP(name) === 0 ? name.includes('.') && !insideName.test(name) : isPublicAddress(name)
  return isOutside ? { url: url.href, host: url.host } : null
}

/**
 * Fetches a picture from an address that the gateway's upstream chose: http or https, public addresses only, checked at the moment of
 * connecting (a second answer of the name server changes nothing), every redirect checked again, no credentials. An address without
 * a host is at the gateway's. Throws.
 */
export async function fetchPicture(address: string, options: GuardOptions): Promise<Buffer> {
  const isAllowed = options.isAllowed ?? isPublicAddress
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeout ?? 60_000)])
  const { Agent, request } = await import('undici')
  const guarded = new Agent({
    allowH2: false,
    connect: { lookup: guardedLookup(isAllowed, options.lookup ?? systemLookup) },
  })
  const own = new Agent({ allowH2: false })
  try {
    const { upstream } = options
    let url = new URL(address, upstream.origin)
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const isOwn = url.host === upstream.host
      if (!isOwn) assertFetchable(url, isAllowed)
      url.username = url.password = ''
      const headers = { accept: 'image/*', 'accept-encoding': 'identity' }
      const reply = await request(url, { dispatcher: isOwn ? own : guarded, signal, headers })
      const location = [reply.headers.location ?? ''].flat()[0]!
      if (reply.statusCode >= 300 && reply.statusCode < 400 && location !== '') {
        await reply.body.dump()
        url = new URL(location, url)
        continue
      }
      if (reply.statusCode !== 200) throw new Error(`status ${reply.statusCode}`)
      const bytes = growingBytes(options.limit, 256 * 1024)
      for await (const chunk of reply.body) bytes.append(chunk as Buffer)
      return bytes.take()
    }
    throw new Error('too many redirects')
  } finally {
    await Promise.all([guarded.destroy(), own.destroy()])
  }
}

/** An address in the URL itself is never looked up, so it is checked here. */
function assertFetchable(url: URL, isAllowed: (address: string) => boolean) {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new AddressRefused(`scheme ${url.protocol}`)
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isAllowed(host)) throw new AddressRefused('not a public address')
}

/** Resolves for the socket itself: the address that was checked is the one that is connected to. One closed address refuses the name. */
function guardedLookup(isAllowed: (address: string) => boolean, lookup: typeof systemLookup): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '', 0)
      const first = addresses[0]
      if (!first || !addresses.every(({ address }) => isAllowed(address))) {
        return done(new AddressRefused('not a public address'), '', 0)
      }
      if (options.all) done(null, addresses)
      else done(null, first.address, first.family)
    })
  }
}
