import { type Command, commandsOf } from './commands.ts'
import type { Language, Translate } from './i18n.ts'
import { translator } from './i18n.ts'
import { balance, exactMoney, money } from './money.ts'
import { remember } from './remember.ts'
import type { TypedForm } from './typed-form.ts'

export type Theme = 'system' | 'light' | 'dark'

/** Who is signed in, as rail and bottom bar show it. */
export interface Viewer {
  id: number
  email: string
  name: string
  isAdmin: boolean
  /** US dollars, as last heard from the gateway; null before the first answer. */
  balance: number | null
  key: { id: number; name: string; group: string | null; allowsImages: boolean } | null
  /** Of which budget so much is used that pages say so: words from `spend.budget.near.<budget>`. */
  budgetNotice: { budget: 'day' | 'month' | 'user_day' | 'user_month'; limit: number; until: Date } | null
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
  /** Markup of a balance in cents, exact on hover. */
  balance(usd: number): string
  /** Markup of a `<time>` in the viewer's zone; `near`: with the day unless that is today. */
  when(date: Date, style: 'time' | 'date' | 'both' | 'near'): string
  /** `23 Nov 2026`, in the viewer's zone. */
  day(date: Date): string
  /** `2026-11`, in the viewer's zone. */
  monthOf(date: Date): string
  /** `Nov`, of the month that this moment has in UTC. */
  month(date: Date): string
  /** `1.4 MB`. */
  size(bytes: number): string
  number(value: number): string
  /** Shown in a frame of the gateway's site. */
  framed: boolean
  /** What an ended sign-in kept from being sent, to be sent again. */
  keptForm: TypedForm | null
  /** Who may look at the gallery. */
  galleryOpen: 'public' | 'members' | 'off'
  /** What keys do, and the palette offers. */
  commands: readonly Command[]
  /** What operators tell everybody, as far as this reader has not put it away. */
  bulletin: { maintenance: { until: Date | null } | null; announcements: { id: string; text: string }[] }
  /** Address of the page that explains a mock gateway's sign-ins; null on a real gateway. */
  mockGuide: string | null
}

interface PageFacts {
  lang: Language
  theme: Theme
  timeZone: string
  viewer: Viewer | null
  url: string
  mockGuide: string | null
  galleryOpen: Page['galleryOpen']
  asset(file: string): string
}

export function createPage(facts: PageFacts): Page {
  const { lang, timeZone } = facts
  const sprite = facts.asset('icons.svg')
  return {
    ...facts,
    framed: false,
    keptForm: null,
    bulletin: { maintenance: null, announcements: [] },
    commands: commandsOf({ hasGallery: facts.galleryOpen !== 'off' }),
    t: translator(lang),
    room: facts.url.split(/[/?]/)[1] ?? '',
    icon: name => `<svg class="icon" aria-hidden="true"><use href="${sprite}#${name}"></use></svg>`,
    money,
    balance: usd => `<data value="${usd}" title="${exactMoney(usd)}">${balance(usd)}</data>`,
    when: (date, style) => {
      const day = (each: Date) => formatDate(each, lang, timeZone, 'date')
      const shown = style !== 'near' ? style : day(date) === day(new Date()) ? 'time' : 'both'
      return `<time datetime="${date.toISOString()}">${formatDate(date, lang, timeZone, shown)}</time>`
    },
    day: date => formatDate(date, lang, timeZone, 'date'),
    monthOf: date => formatDate(date, 'en', timeZone, 'numbers').replace(/^(\d+)\/(\d+)$/, '$2-$1'),
    month: date => formatDate(date, lang, 'UTC', 'month'),
    size: bytes => formatSize(bytes, lang),
    number: value => numberFormatter(lang).format(value),
  }
}

/** The time zone of this name, however it is spelled; null where dates cannot be written in it. */
export const timeZoneNamed = remember(200, (name): string | null => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch {
    return null
  }
})

const dateFormats = {
  month: { month: 'short' },
  numbers: { year: 'numeric', month: '2-digit' },
  time: { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  date: { year: 'numeric', month: 'short', day: 'numeric' },
  both: { year: 'numeric', month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
} satisfies Record<string, Intl.DateTimeFormatOptions>

// Building an Intl formatter costs far more than using it; one of dates takes some 26 KB.
const numberFormatter = remember(10, lang => new Intl.NumberFormat(lang))
const dateFormatter = remember(500, name => {
  const [lang, style, timeZone] = name.split(' ') as [Language, keyof typeof dateFormats, string]
  return new Intl.DateTimeFormat(lang, { timeZone, ...dateFormats[style] })
})

function formatDate(date: Date, lang: Language, timeZone: string, style: keyof typeof dateFormats): string {
  return dateFormatter(`${lang} ${style} ${timeZone}`).format(date)
}

function formatSize(bytes: number, lang: Language): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  // Of gigabytes tenths are many pictures: 10 GiB are no 11 GB.
  const exact = unit === 3 ? 100 : unit > 0 ? 10 : 0
  return `${value.toLocaleString(lang, { maximumFractionDigits: value < exact ? 1 : 0 })} ${units[unit]}`
}
