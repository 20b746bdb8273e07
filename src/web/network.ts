import { BlockList, isIP, isIPv6 } from 'node:net'

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

/** Whether this is an address, or a network as `10.0.0.0/8` and `fd00::/8` write it (CIDR). */
export function isNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/')
  const bits = isIP(address) === 6 ? 128 : 32
  return isIP(address) > 0 && more.length === 0 && (prefix === undefined || isPrefix(prefix, bits))
}

/** Whether an address is in one of these networks; IPv4 written as IPv6 is IPv4. */
export function isWithin(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return address => isIP(address) > 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function isPrefix(text: string, bits: number): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= bits
}
