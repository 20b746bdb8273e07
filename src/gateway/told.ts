import { z } from 'zod'
import type { Secret } from '../secrets/secret.ts'
import { scrub } from './scrub.ts'

/** What a reply says that a picture is, as far as it says anything; the picture itself may be otherwise. */
export const Told = z.object({
  size: z.string().optional(),
  quality: z.string().optional(),
  format: z.string().optional(),
  background: z.string().optional(),
  /** By the name that the gateway gives it: not always the one that was asked. */
  model: z.string().optional(),
  /** What the model made of the prompt. */
  revisedPrompt: z.string().optional(),
})
export type Told = z.output<typeof Told>

const LONGEST_FACT = 100
const LONGEST_PROMPT = 32_000

/** Of the item that is the picture, else of the reply around it. */
export function toldOf(apiKey: Secret, ...places: readonly Record<string, unknown>[]): Told {
  const told: Told = {}
  const tell = (as: keyof Told, names: readonly string[], most = LONGEST_FACT) => {
    for (const place of places) {
      const text = names.map(name => place[name]).find(value => typeof value === 'string' && value.trim() !== '')
      if (typeof text !== 'string') continue
      told[as] = scrub(text, [apiKey], most)
      return
    }
  }
  tell('size', ['size'])
  tell('quality', ['quality'])
  tell('format', ['output_format', 'format'])
  tell('background', ['background'])
  tell('model', ['model'])
  tell('revisedPrompt', ['revised_prompt'], LONGEST_PROMPT)
  return told
}
