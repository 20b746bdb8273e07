import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import i18next from 'i18next'
import type { Words } from './views.gen.ts'

const FOLDER = path.join(import.meta.dirname, '../../views/catalogue')

export const languages = ['en', 'zh-CN'] as const
export type Language = (typeof languages)[number]

/** A dotted path into the catalogue; plural forms (`_one`, `_other`) go by their base. */
export type Key = Leaves<Words>
export type Translate = (key: Key, params?: Record<string, unknown>) => string

type Leaves<T, P extends string = ''> = {
  [K in keyof T & string]: T[K] extends string ? `${P}${Base<K>}` : Leaves<T[K], `${P}${K}.`>
}[keyof T & string]
type Base<K extends string> = K extends `${infer B}_one` | `${infer B}_other` ? B : K

/** The words of each room, one file of it each. */
export function readCatalogue(language: Language): Record<string, object> {
  const folder = path.join(FOLDER, language)
  return Object.fromEntries(
    readdirSync(folder).map(file => {
      const words: object = JSON.parse(readFileSync(path.join(folder, file), 'utf8'))
      return [path.basename(file, '.json'), words]
    }),
  )
}

const catalogue = i18next.createInstance()
await catalogue.init({
  resources: Object.fromEntries(languages.map(language => [language, { translation: readCatalogue(language) }])),
  fallbackLng: 'en',
  interpolation: { escapeValue: false },
})
const translators = new Map<Language, Translate>(
  languages.map(language => {
    const fixed = catalogue.getFixedT(language)
    // A page has hundreds of words that never change, and looking one up takes ten times as long as remembering it.
    const known = new Map<Key, string>()
    const remember = (key: Key) => {
      const words = fixed(key)
      if (hasWords(key)) known.set(key, words)
      return words
    }
    return [language, (key, params) => (params ? fixed(key, params) : (known.get(key) ?? remember(key)))]
  }),
)

export function translator(language: Language): Translate {
  return translators.get(language)!
}

/** Whether the catalogue has a sentence under `key`: for keys put together from a closed list. */
export function hasWords(key: string): key is Key {
  return catalogue.exists(key, { lng: 'en' })
}

/** The supported language an `Accept-Language` header ranks first; English when it names none. */
export function preferredLanguage(header: string | undefined): Language {
  const ranked = (header ?? '')
    .slice(0, 500)
    .split(',')
    .map(part => {
      const [tag = '', ...parameters] = part.trim().split(';')
      const weight = parameters.map(p => /^\s*q=([\d.]+)\s*$/.exec(p)?.[1]).find(Boolean)
      return { tag: tag.toLowerCase(), weight: weight === undefined ? 1 : Number(weight) }
    })
    .filter(entry => entry.weight > 0)
    .toSorted((a, b) => b.weight - a.weight)
  for (const { tag } of ranked) {
    if (tag === 'en' || tag.startsWith('en-')) return 'en'
    if (tag === 'zh' || tag.startsWith('zh-')) return 'zh-CN'
  }
  return 'en'
}
