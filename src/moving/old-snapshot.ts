import { z } from 'zod'
import { parseStorable } from '../db/storable.ts'

const token = z.guid().nullable().optional().catch(null)
const words = z
  .string()
  .nullable()
  .optional()
  .transform(value => value ?? '')

const OldSnapshot = z.looseObject({
  chatMessages: z
    .array(
      z.looseObject({
        id: z.coerce.string(),
        role: z.string(),
        content: words,
        createdAt: z.number().nullable().optional(),
        attachments: z
          .array(
            z.looseObject({
              name: words,
              mimeType: words,
              assetToken: token,
              externalUrl: z.string().nullable().optional(),
            }),
          )
          .nullable()
          .optional()
          .transform(list => list ?? []),
        imageAssetToken: token,
        externalImageUrl: z.string().nullable().optional(),
      }),
    )
    .nullable()
    .optional()
    .transform(list => list ?? []),
  generatedImages: z
    .array(
      z.looseObject({
        id: z.coerce.string(),
        status: z.string().nullable().optional(),
        prompt: words,
        size: words,
        createdAt: z.number().nullable().optional(),
        assetToken: token,
        remoteUrl: z.string().nullable().optional(),
      }),
    )
    .nullable()
    .optional()
    .transform(list => list ?? []),
  pptState: z.unknown(),
  spriteState: z.unknown(),
})
/** A conversation as the first product keeps it. */
export type OldSnapshot = z.output<typeof OldSnapshot>

/** Null for a file that was cut off, or is none. */
export function parseOldSnapshot(bytes: Buffer): OldSnapshot | null {
  try {
    return OldSnapshot.safeParse(parseStorable(bytes.toString('utf8'))).data ?? null
  } catch {
    return null
  }
}
