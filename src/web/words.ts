import type { Key, Translate } from './i18n.ts'

/** What is to be said, before anybody knows in which language: verbs answer it, and whoever faces the reader words it. */
export interface Sentence {
  key: Key
  params: Record<string, unknown>
}

export function say(key: Key, params: Record<string, unknown> = {}): Sentence {
  return { key, params }
}

export function word(t: Translate, { key, params }: Sentence): string {
  return t(key, params)
}

/** Field → sentence, worded. */
export function wordEach(t: Translate, sentences: Partial<Record<string, Sentence>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(sentences).flatMap(([field, sentence]) => (sentence ? [[field, word(t, sentence)]] : [])),
  )
}
