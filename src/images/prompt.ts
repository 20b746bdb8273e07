import { z } from 'zod'
import { readRefused } from '../library/refused.ts'
import { type Capability, defaultModel, findCapability } from '../models/image-models.ts'
import { refuseSize } from '../models/sizes.ts'
import { characters, isVisible } from '../web/text.ts'
import { halfWidth, plainSize } from '../web/typed.ts'
import { type Sentence, say } from '../web/words.ts'
import type { ComposerView } from './view.ts'

/** What the model is asked for, checked against its row of the capability table. */
export interface ImageRequest {
  model: string
  prompt: string
  size: string
  quality: string
  n: number
  format: string
  /** 0–100, for formats that take it; null = the model's own. */
  compression: number | null
  background: string
  moderation: string
  /** Tokens of the person's own files, at most 16; any make it an edit. */
  references: string[]
  /** Id of the mask over the first reference; null = all may change. */
  maskId: string | null
}

export type FormValues = ComposerView['values']
export type FieldErrors = ComposerView['errors']
/** Field → what is wrong with it. */
export type Faults = Partial<Record<string, Sentence>>

// What is too long, or comes twice, stays wrong: it must not turn into a default that costs money.
const text = (most: number) =>
  z
    .union([z.string(), z.array(z.string()).transform(values => values.join(', '))])
    .transform(value => value.slice(0, most + 1).toWellFormed())
    .optional()
    .catch(undefined)
const Form = z.object({
  model: text(100),
  prompt: z.string().optional().catch(undefined),
  size: text(20),
  width: text(20),
  height: text(20),
  quality: text(20),
  n: text(10),
  format: text(20),
  compression: text(10),
  background: text(20),
  moderation: text(20),
  reference: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .catch(undefined),
  /** The same, in a draft. */
  references: z.array(z.string()).optional().catch(undefined),
  refused: z.unknown().optional(),
  mask: text(40),
})

/** What a form that asks for pictures may send; a picture of a draft has another name. */
export const formFields = [
  ...Object.keys(Form.shape).filter(name => name !== 'references'),
  'submission',
  'terms',
  'draft',
]

/** The form as typed; what it lacks is the model's default. Line breaks are `\n`, whatever the browser sent. */
export function readForm(body: unknown): FormValues {
  const form = Form.parse(body ?? {})
  const defaults = (findCapability(form.model ?? '') ?? defaultModel).defaults
  return {
    model: form.model || defaultModel.id,
    prompt: (form.prompt ?? '').replace(/\r\n?/g, '\n'),
    size: form.size ? plainSize(form.size).trim() : defaults.size,
    ...readEdges(form),
    quality: form.quality || defaults.quality,
    n: halfWidth(form.n ?? String(defaults.n)).trim(),
    format: form.format || defaults.format,
    compression: halfWidth(form.compression ?? '').trim(),
    background: form.background || defaults.background,
    moderation: form.moderation || defaults.moderation,
    references: [...new Set([form.reference ?? form.references ?? []].flat())]
      .filter(token => /^[\w-]{20,64}$/.test(token))
      .slice(0, 100),
    refused: readRefused(form.refused),
    mask: z.guid().safeParse(form.mask).data ?? '',
  }
}

/** Both in one field, as they are often pasted, are both. */
function readEdges(form: { width?: string | undefined; height?: string | undefined }) {
  const [width = '', height = ''] = [form.width, form.height].map(edge => plainSize(edge ?? '').trim())
  const [, both, other] = /^(\d+)x(\d+)$/.exec(height === '' ? width : '') ?? []
  return both && other ? { width: both, height: other } : { width, height }
}

/** `1024x1024`, `auto`, or what was typed as width and height. */
export function sizeOf(values: FormValues): string {
  return values.size === 'custom' ? `${values.width}x${values.height}` : values.size
}

/** Checks everything at once, so that every mistake is told in one answer. */
export function checkRequest(values: FormValues): { request: ImageRequest } | { faults: Faults } {
  const model = findCapability(values.model)
  if (!model) return { faults: { model: say('images.invalid.model', { model: values.model }) } }

  const size = sizeOf(values)
  const refused = refuseSize(model, size)
  const count = readWholeNumber(values.n)
  const compressible = model.compressible.includes(values.format)
  const compression = compressible && values.compression !== '' ? readWholeNumber(values.compression) : null
  const faults: Faults = {
    ...faultOfPrompt(values.prompt, model),
    ...(refused && { size: say(`images.size_rule.${refused.rule}`, { nearest: refused.nearest.replace('x', ' × ') }) }),
    ...((count === null || count < 1 || count > model.maxCount) && {
      n: say('images.invalid.n', { max: model.maxCount }),
    }),
    ...(!model.qualities.includes(values.quality) && { quality: say('images.invalid.quality') }),
    ...(!model.formats.includes(values.format) && { format: say('images.invalid.format') }),
    ...(compressible &&
      values.compression !== '' &&
      (compression === null || compression > 100) && { compression: say('images.invalid.compression') }),
    ...(!model.backgrounds.includes(values.background) && { background: say('images.invalid.background') }),
    ...(!model.moderations.includes(values.moderation) && { moderation: say('images.invalid.moderation') }),
    ...(values.references.length > model.maxReferences && {
      references: say('images.invalid.references', { max: model.maxReferences }),
    }),
    ...(values.refused.length > 0 && { refused: say('common.held_refused') }),
  }
  if (Object.keys(faults).length > 0 || count === null) return { faults }
  return {
    request: {
      model: model.id,
      prompt: values.prompt.trim(),
      size,
      quality: values.quality,
      n: count,
      format: values.format,
      compression,
      background: values.background,
      moderation: values.moderation,
      references: values.references,
      maskId: values.references.length > 0 ? values.mask || null : null,
    },
  }
}

/** The form that asks for the same again. */
export function formOf(request: ImageRequest): FormValues {
  const { model, prompt, quality, format, background, moderation, references } = request
  const values = { model, prompt, quality, format, background, moderation, references }
  return withSize(
    {
      ...values,
      n: String(request.n),
      compression: request.compression === null ? '' : String(request.compression),
      mask: request.maskId ?? '',
      refused: [],
      size: '',
      width: '',
      height: '',
    },
    request.size,
  )
}

/** The form with another size: one of those offered, or typed as width and height. */
export function withSize(values: FormValues, size: string): FormValues {
  const model = findCapability(values.model) ?? defaultModel
  if (model.sizes.some(group => group.sizes.includes(size))) return { ...values, size, width: '', height: '' }
  const [width = '', height = ''] = size.split('x')
  return { ...values, size: 'custom', width: width.slice(0, 5), height: height.slice(0, 5) }
}

function faultOfPrompt(prompt: string, model: Capability): Faults {
  const count = characters(prompt.trim())
  if (!isVisible(prompt)) return { prompt: say('images.invalid.prompt_empty') }
  if (count > model.maxPromptLength) {
    return { prompt: say('images.invalid.prompt_too_long', { limit: model.maxPromptLength, count }) }
  }
  return prompt.includes('\0') ? { prompt: say('images.invalid.prompt_nul') } : {}
}

export function readWholeNumber(text: string): number | null {
  const plain = halfWidth(text)
  return /^\d{1,6}$/.test(plain) ? Number(plain) : null
}
