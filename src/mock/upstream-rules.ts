import type { ImageRequest } from './image-request.ts'
import { gatewayRefusal, type Refusal } from './replies.ts'

/** What OpenAI itself refuses; the gateway only hands these answers on. `raw` requests reach it as they were sent. */
export function refusalOfUpstream(request: ImageRequest, raw: boolean, fieldNames: string[]): Refusal | null {
  const { model, size, quality, background, outputFormat, outputCompression, n, partialImages } = request
  if (raw && request.responseFormat) {
    return refused("Unknown parameter: 'response_format'.", 'response_format', 'unknown_parameter')
  }
  if (raw && fieldNames.filter(name => name === 'image').length > 1) {
    return refused(
      "Duplicate parameter: 'image'. You provided multiple values for this parameter.",
      'image',
      'duplicate_parameter',
    )
  }
  if (!request.prompt) {
    return raw
      ? refused("Missing required parameter: 'prompt'.", 'prompt', 'missing_required_parameter')
      : gatewayRefusal(502, 'upstream_error', 'Upstream request failed')
  }
  if (Array.from(request.prompt).length > 32_000)
    return refused('Invalid prompt: at most 32000 characters.', 'prompt', 'string_above_max_length')
  if (n > 10)
    return refused(
      `Invalid 'n': integer above maximum value. Expected a value <= 10, but got ${n} instead.`,
      'n',
      'integer_above_max_value',
    )
  const wrongSize = ruleBroken(size)
  if (wrongSize) return refused(`Invalid size '${size}'. ${wrongSize}`, 'size', 'invalid_value')
  if (!['', 'auto', 'low', 'medium', 'high'].includes(quality))
    return refused(`Invalid value: '${quality}'.`, 'quality')
  if (!['', 'png', 'jpeg', 'webp'].includes(outputFormat))
    return refused(`Invalid value: '${outputFormat}'.`, 'output_format')
  if (!['', 'auto', 'opaque', 'transparent'].includes(background))
    return refused(`Invalid value: '${background}'.`, 'background')
  if (background === 'transparent' && (model.startsWith('gpt-image-2') || outputFormat === 'jpeg')) {
    return refused('Transparent background is not supported for this model.', 'background')
  }
  if (outputCompression !== null && (outputCompression < 0 || outputCompression > 100)) {
    return refused("Invalid 'output_compression': expected 0 to 100.", 'output_compression')
  }
  if (outputCompression !== null && outputCompression < 100 && (outputFormat || 'png') === 'png') {
    return refused('Compression less than 100 is not supported for PNG output format', 'output_compression')
  }
  if (partialImages < 0 || partialImages > 3)
    return refused("Invalid 'partial_images': expected 0 to 3.", 'partial_images')
  if (request.inputs.length > 16)
    return refused("Invalid 'image': array too long. Expected at most 16.", 'image', 'array_above_max_length')
  return null
}

/** Output tokens of gpt-image-2 by OpenAI's published formula. */
export function outputTokens(quality: string, width: number, height: number) {
  const q = { low: 16, medium: 48, high: 96 }[quality] ?? 48
  const [short, long] = [Math.min(width, height), Math.max(width, height)]
  return Math.ceil((q * Math.round((q * short) / long) * (2_000_000 + width * height)) / 4_000_000)
}

function ruleBroken(size: string): string | null {
  if (size === '' || size === 'auto') return null
  const [, width = 0, height = 0] = /^(\d+)x(\d+)$/.exec(size)?.map(Number) ?? []
  if (!width || !height) return 'Expected WIDTHxHEIGHT or auto.'
  if (width % 16 || height % 16) return 'Width and height must both be divisible by 16.'
  if (Math.max(width, height) > 3840) return 'The longest edge must be at most 3840 pixels.'
  if (Math.max(width, height) > 3 * Math.min(width, height)) return 'The aspect ratio must be at most 3:1.'
  if (width * height < 655_360) return 'Requested resolution is below the minimum pixel budget.'
  if (width * height > 8_294_400) return 'Requested resolution exceeds the maximum pixel budget.'
  return null
}

function refused(message: string, param: string, code: string | null = 'invalid_value') {
  return gatewayRefusal(400, 'invalid_request_error', message, { param, code })
}
