import { z } from 'zod'

/** What a picture may be asked with, of which it shows afterwards whether the key did so; in the order in which it is told. */
export const parameters = ['size', 'n', 'quality', 'format', 'background', 'previews'] as const
export type Parameter = (typeof parameters)[number]

/** What a key of the person makes of a parameter, since when; with what was asked and came the last time it was not so. */
export const Honour = z.object({
  keyId: z.number(),
  keyGroup: z.string(),
  model: z.string(),
  parameter: z.enum(parameters),
  verdict: z.enum(['honoured', 'changed', 'ignored']),
  since: z.coerce.date(),
  asked: z.string(),
  came: z.string(),
})
export type Honour = z.output<typeof Honour>
