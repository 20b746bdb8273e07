import { z } from 'zod'
import { parseStorable } from '../../db/storable.ts'
import type { FunctionTool } from '../../gateway/client.ts'
import { defaultModel } from '../../models/image-models.ts'
import { refuseSize } from '../../models/sizes.ts'
import { characters, isVisible } from '../../web/text.ts'
import type { NamedPicture } from '../branch.ts'
import type { ToolCall } from '../call-queries.ts'

const MOST_AT_ONCE = 4
const sizes = defaultModel.sizes.flatMap(group => group.sizes)

/** What the model may call: making a picture, and changing those of the conversation when there are any. */
export function toolsFor(pictures: readonly NamedPicture[]): FunctionTool[] {
  const properties = {
    prompt: {
      type: 'string',
      description:
        'What the picture shows, complete in itself: subject, setting, style, light. In the language of the person.',
    },
    size: { type: 'string', enum: sizes, description: 'Width x height in pixels, or auto.' },
    n: {
      type: 'integer',
      minimum: 1,
      maximum: MOST_AT_ONCE,
      description: 'How many pictures; 1 unless more were asked for.',
    },
  }
  const generate = tool(
    'generate_image',
    'Makes a new picture. Costs money: call it only when the person explicitly asks for a picture to be made, at most once a turn.',
    properties,
  )
  if (pictures.length === 0) return [generate]
  const newestFirst = pictures.map(picture => picture.label).toReversed()
  const edit = tool(
    'edit_image',
    'Changes pictures of this conversation, or makes a new one from them. Costs money: call it only when the person explicitly asks for a change, at most once a turn.',
    {
      ...properties,
      prompt: {
        type: 'string',
        description: 'What is to change, and what is to stay as it is. In the language of the person.',
      },
      sources: {
        type: 'array',
        minItems: 1,
        maxItems: defaultModel.maxReferences,
        items: { type: 'string', enum: newestFirst },
        description:
          'Labels of the pictures to start from. "It" and "that one" mean the newest, which is listed first.',
      },
    },
  )
  return [generate, edit]
}

function tool(name: string, description: string, properties: Record<string, unknown>): FunctionTool {
  const parameters = { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
  // Not strict: that refuses the bounds above, which only guide the model; what it sends is checked here.
  return { type: 'function', name, description, parameters, strict: false }
}

/** Why a call is not, or not quite, carried out; words from `chat.problem.<problem>`. */
export type ToolProblem =
  | 'unknown_tool'
  | 'unreadable'
  | 'no_prompt'
  | 'no_source'
  | 'size_changed'
  | 'only_first'
  | 'not_now'

const Arguments = z.object({
  prompt: z
    .string()
    .trim()
    .refine(prompt => isVisible(prompt) && characters(prompt) <= defaultModel.maxPromptLength),
  size: z.string().optional().catch(undefined),
  n: z.coerce.number().int().optional().catch(undefined),
  sources: z
    .union([z.string().transform(one => [one]), z.array(z.coerce.string())])
    .optional()
    .catch(undefined),
})

type ReadCall = Pick<ToolCall, 'state' | 'problem' | 'prompt' | 'size' | 'n' | 'sources' | 'output'>

/** What a call of the model comes to: a picture to ask the person about, or a refusal in words. */
export function readToolCall(
  call: { name: string; arguments: string },
  context: { pictures: readonly NamedPicture[]; isOnly: boolean; mayPaint: boolean },
): ReadCall {
  if (call.name !== 'generate_image' && call.name !== 'edit_image') return refuse('unknown_tool')
  if (!context.mayPaint) return refuse('not_now')
  const parsed = Arguments.safeParse(parseJson(call.arguments))
  if (!parsed.success)
    return refuse(parsed.error.issues.some(issue => issue.path[0] === 'prompt') ? 'no_prompt' : 'unreadable')
  const { prompt, size = defaultModel.defaults.size, n = 1 } = parsed.data
  const sources = call.name === 'edit_image' ? resolve(parsed.data.sources ?? [], context.pictures) : []
  if (call.name === 'edit_image' && sources.length === 0) return refuse('no_source')
  const refused = refuseSize(defaultModel, size)
  return {
    state: 'asked',
    problem: !context.isOnly ? 'only_first' : refused ? 'size_changed' : null,
    prompt,
    size: refused ? refused.nearest : size,
    n: Math.min(Math.max(n, 1), MOST_AT_ONCE),
    sources,
    output: null,
  }
}

/** Tokens of the pictures meant; none named, or none that exists, means the newest. */
function resolve(labels: readonly string[], pictures: readonly NamedPicture[]): string[] {
  const wanted = labels
    .map(label => /\d+/.exec(label)?.[0])
    .map(number => pictures.find(each => each.label === `P${number}`))
  const found = wanted.flatMap(picture => picture?.token ?? [])
  const newest = pictures.at(-1)?.token
  return [...new Set(found.length > 0 ? found : newest ? [newest] : [])].slice(0, defaultModel.maxReferences)
}

const refusals = {
  unknown_tool: 'Error: there is no such tool. Nothing was made.',
  unreadable: 'Error: the arguments are not valid JSON. Nothing was made.',
  no_prompt: 'Error: the prompt is missing or too long. Nothing was made.',
  no_source: 'Error: there is no picture to edit. Nothing was made.',
  not_now: 'Error: no further picture in this turn. Nothing was made.',
} as const

function refuse(problem: keyof typeof refusals): ReadCall {
  return { state: 'refused', problem, prompt: '', size: '', n: 1, sources: [], output: refusals[problem] }
}

function parseJson(text: string): unknown {
  try {
    return parseStorable(text)
  } catch {
    return null
  }
}
