import { z } from 'zod'

/** The settings with which an image model was asked, as they are kept and told. */
export const Asked = z.object({
  model: z.string(),
  size: z.string(),
  quality: z.string(),
  n: z.number(),
  format: z.string(),
  compression: z.number().nullable(),
  background: z.string(),
  moderation: z.string(),
})
export type Asked = z.output<typeof Asked>
