import type { Capability, SizeLimits } from './image-models.ts'

export type SizeRule = 'not_a_size' | 'multiple_of_16' | 'longest_edge' | 'ratio' | 'too_few_pixels' | 'too_many_pixels'

export interface Dimensions {
  width: number
  height: number
}

/** Pixels of `1024x1024`; null for `auto` and anything else. */
export function dimensionsOf(size: string): Dimensions | null {
  const [, width, height] = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(size) ?? []
  return width && height ? { width: Number(width), height: Number(height) } : null
}

/** Null when the model makes this size; else the rule it breaks and the nearest size that breaks none. */
export function refuseSize(model: Capability, size: string): { rule: SizeRule; nearest: string } | null {
  if (model.sizes.some(group => group.sizes.includes(size))) return null
  const wanted = dimensionsOf(size)
  if (!wanted || !model.freeSize) {
    return { rule: 'not_a_size', nearest: model.defaults.size }
  }
  const rule = brokenRule(model.freeSize, wanted)
  return rule && { rule, nearest: nearestSize(model.freeSize, wanted) }
}

// Source: OpenAI's size rules for gpt-image-2.
function brokenRule(limits: SizeLimits, { width, height }: Dimensions): SizeRule | null {
  const long = Math.max(width, height)
  if (long > limits.maxEdge) return 'longest_edge'
  if (long > limits.maxRatio * Math.min(width, height)) return 'ratio'
  if (width * height < limits.minPixels) return 'too_few_pixels'
  if (width * height > limits.maxPixels) return 'too_many_pixels'
  return width % limits.multipleOf || height % limits.multipleOf ? 'multiple_of_16' : null
}

/** Nearest by ratio of the edges. Some 57,000 are tried, which takes about a millisecond. */
function nearestSize(limits: SizeLimits, wanted: Dimensions): string {
  let best = { width: 0, height: 0, distance: Number.POSITIVE_INFINITY }
  const edges = Array.from(
    { length: limits.maxEdge / limits.multipleOf },
    (_, index) => (index + 1) * limits.multipleOf,
  )
  const offHeight = edges.map(edge => Math.log(edge / wanted.height) ** 2)
  for (const width of edges) {
    const offWidth = Math.log(width / wanted.width) ** 2
    if (offWidth >= best.distance) continue
    for (const [index, height] of edges.entries()) {
      const distance = offWidth + offHeight[index]!
      if (distance < best.distance && !brokenRule(limits, { width, height })) best = { width, height, distance }
    }
  }
  return `${best.width}x${best.height}`
}

const SAME_SHAPE = 0.03

/** The largest size within this edge in the same proportions, within three per cent; null where there is none. */
export function largestLike(limits: SizeLimits, like: Dimensions, maxEdge: number): Dimensions | null {
  const step = limits.multipleOf
  const ratio = Math.max(like.width, like.height) / Math.min(like.width, like.height)
  for (let long = Math.floor(Math.min(maxEdge, limits.maxEdge) / step) * step; long > 0; long -= step) {
    const short = Math.round(long / ratio / step) * step
    const size = like.width >= like.height ? { width: long, height: short } : { width: short, height: long }
    if (Math.abs(long / short / ratio - 1) <= SAME_SHAPE && !brokenRule(limits, size)) return size
  }
  return null
}
