import { z } from 'zod'
import { type About, about } from './about.ts'
import { Keeping } from './parts/keeping.ts'
import { Limits } from './parts/limits.ts'
import { Pictures } from './parts/pictures.ts'
import { Reaching } from './parts/reaching.ts'
import { Watching } from './parts/watching.ts'
import { address } from './values.ts'

/** The variables that an operator may set, in the order in which they are told. */
export const parts = [Reaching, Keeping, Pictures, Limits, Watching] as const

export const Environment = z.object({
  ...Reaching.shape,
  ...Keeping.shape,
  ...Pictures.shape,
  ...Limits.shape,
  ...Watching.shape,
  /** Set by `npm run dev:mock` only. */
  PLAYGROUND_MOCK_GUIDE: address().optional(),
})

export interface Variable extends About {
  name: string
  /** As an operator would write it; null: none. */
  fallback: string | null
}

export function variablesOf(part: z.ZodObject): Variable[] {
  return Object.entries(part.shape).map(([name, rule]) => ({
    name,
    fallback: rule instanceof z.ZodPrefault ? String(rule.def.defaultValue) : null,
    ...about.get(rule)!,
  }))
}

export const variables = (): Variable[] => parts.flatMap(variablesOf)
