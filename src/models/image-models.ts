/** What one image model can do; the form and the checks both follow these rows, so a new model is a new row. */
export interface Capability {
  id: string
  label: string
  /** Other names people use for it; the gateway is sent `id`. */
  aliases: readonly string[]
  sizes: readonly SizeGroup[]
  /** Free width × height within the limits of `SizeLimits`; null when only the listed sizes work. */
  freeSize: SizeLimits | null
  qualities: readonly string[]
  maxCount: number
  formats: readonly string[]
  /** Formats that take `output_compression` 0–100. */
  compressible: readonly string[]
  backgrounds: readonly string[]
  moderations: readonly string[]
  /** Pictures to start from; 0: this model does not edit. */
  maxReferences: number
  maxPromptLength: number
  defaults: { size: string; quality: string; n: number; format: string; background: string; moderation: string }
}

/** `group` names the heading: `images.sizes.<group>`. */
interface SizeGroup {
  group: 'auto' | 'standard' | 'large'
  sizes: readonly string[]
}

export interface SizeLimits {
  multipleOf: number
  maxEdge: number
  maxRatio: number
  minPixels: number
  maxPixels: number
}

const gptImage2: Capability = {
  id: 'gpt-image-2',
  label: 'gpt-image-2',
  aliases: ['image2', 'image-gpt-2'],
  sizes: [
    { group: 'auto', sizes: ['auto'] },
    {
      group: 'standard',
      sizes: [
        '1024x1024',
        '1280x1024',
        '1024x1280',
        '1408x1056',
        '1056x1408',
        '1536x1024',
        '1024x1536',
        '1536x864',
        '864x1536',
        '1792x768',
        '768x1792',
      ],
    },
    { group: 'large', sizes: ['2048x2048', '2048x1152', '3840x2160', '2160x3840'] },
  ],
  freeSize: { multipleOf: 16, maxEdge: 3840, maxRatio: 3, minPixels: 655_360, maxPixels: 8_294_400 },
  qualities: ['low', 'medium', 'high', 'auto'],
  maxCount: 10,
  formats: ['png', 'jpeg', 'webp'],
  compressible: ['jpeg', 'webp'],
  backgrounds: ['auto', 'opaque'],
  moderations: ['auto', 'low'],
  maxReferences: 16,
  maxPromptLength: 32_000,
  defaults: { size: '1024x1024', quality: 'high', n: 1, format: 'png', background: 'auto', moderation: 'auto' },
}

export const capabilities: readonly Capability[] = [gptImage2]
export const defaultModel: Capability = gptImage2

/** The row for a model's id or one of its aliases; null when the model is unknown. */
export function findCapability(model: string): Capability | null {
  return capabilities.find(row => row.id === model || row.aliases.includes(model)) ?? null
}
