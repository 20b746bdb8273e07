import { z } from 'zod'

/** What the tables tell of a variable, in English and in Chinese. */
export interface About {
  meaning: readonly [en: string, zh: string]
  /** Never shown; may be read from the file that `<name>_FILE` names. */
  secret?: true
  /** What the earlier product called it. */
  alias?: string
  /** What it is when nothing is given, where that is no value. */
  unset?: readonly [en: string, zh: string]
}

/** Of every variable of `Environment`. */
export const about = z.registry<About>()
/** The titles of the parts. */
export const titles = z.registry<{ title: readonly [en: string, zh: string] }>()
