import type { PublicSettings } from '../gateway/client.ts'

/** Where the gateway takes money, as its public settings have it; else the gateway itself. */
export function topUpAddress(settings: PublicSettings | null, upstream: string): string {
  const { purchaseEnabled, purchaseUrl, rechargeUrl } = settings ?? {}
  const wanted = [purchaseEnabled ? purchaseUrl : '', rechargeUrl, purchaseUrl].filter(Boolean)
  // Relative ones are the gateway's own.
  const urls = wanted.map(address => URL.parse(address!, upstream)).filter(url => /^https?:$/.test(url?.protocol ?? ''))
  return urls[0]?.href ?? upstream
}
