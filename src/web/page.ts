import type { Language, Translate } from './i18n.ts'
import { translator } from './i18n.ts'

export type Theme = 'system' | 'light' | 'dark'

/** Who is signed in, as rail and bottom bar show it. */
export interface Viewer {
  email: string
  name: string
  isAdmin: boolean
  /** US dollars, as last heard from the gateway; null before the first answer. */
  balance: number | null
  key: { name: string; group: string | null; allowsImages: boolean } | null
}

/** What every template may use beside its own data. */
export interface Page {
  t: Translate
  lang: Language
  theme: Theme
  /** IANA name, from the browser. */
  timeZone: string
  viewer: Viewer | null
  /** Path and query of this page, for links that come back here. */
  url: string
  /** First segment of the path: which tab is lit. */
  room: string
  /** Address of a file in `public/`. */
  asset(file: string): string
  /** Markup of an icon of the sprite. */
  icon(name: string): string
  /** US dollars: `$12.50`, `$0.201`; two to four decimals. */
  money(usd: number): string
  /** Markup of a `<time>` in the viewer's zone. */
  when(date: Date, style: 'time' | 'date' | 'both'): string
  /** `23 Nov 2026`, in the viewer's zone. */
  day(date: Date): string
  /** `1.4 MB`. */
  size(bytes: number): string
  number(value: number): string
  /** Address of the page that explains a mock gateway's sign-ins; null on a real gateway. */
  mockGuide: string | null
}

export interface PageFacts {
  lang: Language
  theme: Theme
  timeZone: string
  viewer: Viewer | null
  url: string
  mockGuide: string | null
  asset(file: string): string
}

export function createPage(facts: PageFacts): Page {
  const { lang, timeZone } = facts
  const sprite = facts.asset('icons.svg')
  return {
    ...facts,
    t: translator(lang),
    room: facts.url.split(/[/?]/)[1] ?? '',
    icon: name => `<svg class="icon" aria-hidden="true"><use href="${sprite}#${name}"></use></svg>`,
    money: usd => formatter(lang, 'money').format(usd),
    when: (date, style) => `<time datetime="${date.toISOString()}">${formatDate(date, lang, timeZone, style)}</time>`,
    day: date => formatDate(date, lang, timeZone, 'date'),
    size: bytes => formatSize(bytes, lang),
    number: value => formatter(lang, 'number').format(value),
  }
}

/** Whether `name` is a zone that dates can be written in. */
export function isTimeZone(name: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}

const numberFormats = {
  money: {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 2,
    maximumFractionDigits: 4,
  },
  number: {},
} satisfies Record<string, Intl.NumberFormatOptions>
const dateFormats = {
  time: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  date: { year: 'numeric', month: 'short', day: 'numeric' },
  both: { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
} satisfies Record<string, Intl.DateTimeFormatOptions>

// Building an Intl formatter costs far more than using it.
const formatters = new Map<string, Intl.NumberFormat>()
const dateFormatters = new Map<string, Intl.DateTimeFormat>()

function formatter(lang: Language, kind: keyof typeof numberFormats): Intl.NumberFormat {
  return remembered(formatters, `${lang} ${kind}`, () => new Intl.NumberFormat(lang, numberFormats[kind]))
}

function formatDate(date: Date, lang: Language, timeZone: string, style: keyof typeof dateFormats): string {
  const make = () => new Intl.DateTimeFormat(lang, { timeZone, ...dateFormats[style] })
  return remembered(dateFormatters, `${lang} ${timeZone} ${style}`, make).format(date)
}

function remembered<T>(known: Map<string, T>, name: string, make: () => T): T {
  const found = known.get(name) ?? make()
  known.set(name, found)
  return found
}

function formatSize(bytes: number, lang: Language): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toLocaleString(lang, { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`
}
