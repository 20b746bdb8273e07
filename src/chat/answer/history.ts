import type { Deps } from '../../deps.ts'
import type { InputItem } from '../../gateway/client.ts'
import { withoutThoughts } from '../../gateway/thinking-words.ts'
import { dataUrl } from '../../library/data-url.ts'
import { type Branch, type NamedPicture, namePictures, type Turn } from '../branch.ts'
import type { Reply } from '../reply-queries.ts'
import { replaceDrawn, withoutLetters } from './drawn.ts'

/** What one call may carry. */
interface Budget {
  /** Estimated; pictures count too. */
  tokens: number
  pictures: number
}

const usualBudget: Budget = { tokens: 90_000, pictures: 8 }
const PICTURE_TOKENS = 1_200
/** From here on Unicode has the scripts of East Asia, and the halves of what is beyond 16 bits. */
const FIRST_WIDE = 0x2e80

export interface History {
  input: InputItem[]
  /** The pictures in it, which tools may name; oldest first. */
  pictures: NamedPicture[]
}

/**
 * The branch as the model is told it: whole, or its newest part when it is over the budget, cut where a person begins to
 * speak. Pictures, attached or made, come along as pictures, the newest when there are too many.
 */
export async function tellHistory(
  deps: Pick<Deps, 'storage' | 'log'>,
  branch: Branch,
  /** Of what is attached, by id. */
  texts: ReadonlyMap<string, string>,
  budget = usualBudget,
): Promise<History> {
  const named = namePictures(branch)
  const turns = withinBudget(branch.turns, named, texts, budget)
  const told = new Set(turns.map(turn => turn.message.id))
  const pictures = named.filter(picture => told.has(picture.messageId)).slice(-budget.pictures)
  const urls = new Map<string, string>()
  for (const { token } of pictures) {
    const url = urls.has(token) ? null : await dataUrl(deps, branch.files.get(token) ?? { token })
    if (url) urls.set(token, url)
  }
  const shown = pictures.filter(picture => urls.has(picture.token))
  const input = turns.flatMap((turn, index) => tell(turn, texts, shown, urls, index === turns.length - 1))
  return { input, pictures: shown }
}

/** The newest exchanges, each from a person's message to the next, that fit; the last one whatever its size. */
function withinBudget(
  turns: readonly Turn[],
  named: readonly NamedPicture[],
  texts: ReadonlyMap<string, string>,
  budget: Budget,
): Turn[] {
  const newest = new Set(named.slice(-budget.pictures).map(picture => `${picture.messageId} ${picture.token}`))
  const picturesOf = Map.groupBy(
    named.filter(picture => newest.has(`${picture.messageId} ${picture.token}`)),
    picture => picture.messageId,
  )
  let left = budget.tokens
  let start = turns.length
  for (let index = turns.length - 1; index >= 0; index--) {
    const turn = turns[index]!
    left -= estimateTokens(textOf(turn, texts)) + PICTURE_TOKENS * (picturesOf.get(turn.message.id)?.length ?? 0)
    if (left < 0 && start < turns.length) break
    if (turn.kind === 'user') start = index
  }
  return turns.slice(start === turns.length ? 0 : start)
}

/** About: a token is four letters, or one character of the scripts that have more of them. */
export function estimateTokens(text: string): number {
  let wide = 0
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) >= FIRST_WIDE) wide++
  return Math.ceil((text.length - wide) / 4 + wide) + 8
}

function textOf(turn: Turn, texts: ReadonlyMap<string, string>): string {
  if (turn.kind === 'user') {
    return [turn.message.text, ...turn.attachments.map(({ textId }) => (textId && texts.get(textId)) ?? '')].join('\n')
  }
  return turn.kind === 'assistant' ? wordsOf(turn.reply) : turn.call.arguments + (turn.call.output ?? '')
}

/** Of older answers too, whose pictures and thoughts were still part of their text. */
function wordsOf({ text }: Reply): string {
  return withoutThoughts(withoutLetters(text))
}

function tell(
  turn: Turn,
  texts: ReadonlyMap<string, string>,
  pictures: readonly NamedPicture[],
  urls: ReadonlyMap<string, string>,
  isLast: boolean,
): InputItem[] {
  const mine = pictures.filter(picture => picture.messageId === turn.message.id)
  const shown = mine.flatMap(({ label, token }) => [
    { type: 'input_text' as const, text: `[${label}]` },
    { type: 'input_image' as const, image_url: urls.get(token)! },
  ])
  if (turn.kind === 'assistant') {
    const labelOf = (index: number) => {
      const token = turn.attachments.find(({ position }) => position === index)?.token
      return mine.find(picture => picture.token === token)?.label ?? 'a picture'
    }
    const text = replaceDrawn(wordsOf(turn.reply), index => `[${labelOf(index)}]`)
    return [
      ...(text === ''
        ? []
        : [
            { type: 'message' as const, role: 'assistant' as const, content: [{ type: 'output_text' as const, text }] },
          ]),
      // Only a person's messages can hold pictures.
      ...(shown.length > 0 ? [{ type: 'message' as const, role: 'user' as const, content: shown }] : []),
    ]
  }
  if (turn.kind === 'user') {
    const attached = turn.attachments.filter(each => each.textId !== null)
    const words = [turn.message.text, ...attached.map(({ name, textId }) => `${name}:\n\n${texts.get(textId!)}`)]
      .filter(text => text !== '')
      .map(text => ({ type: 'input_text' as const, text }))
    const gone =
      words.length + shown.length === 0 ? [{ type: 'input_text' as const, text: '(an attachment that is gone)' }] : []
    return [{ type: 'message', role: 'user', content: [...words, ...shown, ...gone] }]
  }
  const { callId, name, output, state } = turn.call
  const pending =
    state === 'painting' ? 'The picture is still being made.' : 'The person has not decided yet and wrote on.'
  return [
    {
      type: 'function_call',
      call_id: callId,
      name,
      arguments: isJson(turn.call.arguments) ? turn.call.arguments : '{}',
    },
    { type: 'function_call_output', call_id: callId, output: output ?? pending },
    // A closing sentence about what was just made needs no look at it, and an output must come last then.
    ...(shown.length > 0 && !isLast ? [{ type: 'message' as const, role: 'user' as const, content: shown }] : []),
  ]
}

function isJson(text: string): boolean {
  try {
    return JSON.parse(text) !== undefined
  } catch {
    return false
  }
}
