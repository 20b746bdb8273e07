// `negative`: what rounds to nothing has no sign.
const dollars = (digits: { minimumFractionDigits: number; maximumFractionDigits: number }) =>
  new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', signDisplay: 'negative', ...digits })
const ofCall = dollars({ minimumFractionDigits: 2, maximumFractionDigits: 4 })
const ofBalance = dollars({ minimumFractionDigits: 2, maximumFractionDigits: 2 })
const exact = dollars({ minimumFractionDigits: 2, maximumFractionDigits: 10 })

/** What a call costs, in US dollars: `$12.50`, `$0.201`; two to four decimals. The same in every language. */
export function money(usd: number): string {
  return ofCall.format(usd)
}

/** What somebody has: `$99,746.45`. */
export function balance(usd: number): string {
  return ofBalance.format(usd)
}

/** To the last decimal that the gateway told. */
export function exactMoney(usd: number): string {
  return exact.format(usd)
}
