import { isIPv6 } from 'node:net'

/**
 * Whom a limit by address counts: an IPv4 address, or the /64 of an IPv6 one, for whoever has one of its addresses has
 * them all (RFC 6177). IPv4 written as IPv6 is IPv4.
 */
export function networkOf(address: string): string {
  const [text = ''] = address.split('%')
  if (!isIPv6(text)) return address
  // As a URL writes it: in lower case, without leading zeros, the longest run of zeros as `::`.
  const shortest = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const [, high, low] = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(shortest) ?? []
  if (high && low) {
    const [a, b] = [high, low].map(group => Number.parseInt(group, 16)) as [number, number]
    return [a >> 8, a & 255, b >> 8, b & 255].join('.')
  }
  const [before, after] = shortest.split('::').map(part => part.split(':').filter(Boolean)) as [string[], string[]?]
  const zeros = Array.from({ length: 8 - before.length - (after?.length ?? 0) }, () => '0')
  return `${[...before, ...zeros, ...(after ?? [])].slice(0, 4).join(':')}::/64`
}
