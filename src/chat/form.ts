import { z } from 'zod'
import { readRefused } from '../library/refused.ts'
import type { Question } from './ask.ts'
import { type ChatModel, defaultOf } from './models.ts'

const first = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value)
const text = (most: number) => z.preprocess(first, z.string().max(most).optional().catch(undefined))
const many = z.preprocess(value => (value === undefined ? [] : [value].flat()), z.array(z.string().max(300))).catch([])

const Form = z.object({
  text: z.string().optional().catch(undefined),
  attachment: many,
  name: many,
  model: text(100),
  effort: text(20),
  parent: text(50),
  submission: text(40),
  refused: z.unknown().optional(),
})

/** What the forms that ask something may send. */
export const chatFields = [...Object.keys(Form.shape), 'conversation', 'draft', 'file']

/** What the composer sends, as typed. */
export interface ChatForm {
  text: string
  attachments: Question['attachments']
  model: string
  effort: string
  /** A message's id, or as a thread names the end of its branch; '' for the beginning; null when the form did not say. */
  parent: string | null
  submission: string | null
  /** Files that could not be used, as `refusedFile` names them. */
  refused: string[]
}

/** Reads the composer or its draft. Attachments come as `picture:<token>` or `text:<id>`, each with its name beside it. */
export function readChatForm(body: unknown): ChatForm {
  const form = Form.parse(body ?? {})
  return {
    text: (form.text ?? '').replace(/\r\n?/g, '\n'),
    attachments: form.attachment.flatMap((value, index) => readAttachment(value, form.name[index] ?? '')),
    model: form.model ?? '',
    effort: form.effort ?? '',
    parent: form.parent ?? null,
    submission: z.guid().safeParse(form.submission).data ?? null,
    refused: readRefused(form.refused),
  }
}

function readAttachment(value: string, name: string): Question['attachments'] {
  const [, kind, id] = /^(picture|text):([\w-]{8,128})$/.exec(value) ?? []
  if (kind === 'picture' && id) return [{ token: id, name: name.slice(0, 200).toWellFormed() }]
  return kind === 'text' && z.guid().safeParse(id).success ? [{ textId: id! }] : []
}

/** The chosen model and effort, when they can be had; else what was chosen last, or the default. */
export function chooseModel(
  models: readonly ChatModel[],
  wanted: { model?: string | null; effort?: string | null },
  last: { model: string | null; effort: string | null },
): { model: string; effort: string | null } {
  const find = (id: string | null | undefined) => models.find(each => each.id === id)
  const model = find(wanted.model) ?? find(last.model) ?? defaultOf(models)
  const effort = wanted.model ? wanted.effort : last.effort
  return { model: model.id, effort: model.efforts.find(each => each === effort) ?? null }
}

/** As its form would send it. */
export function draftOf({ text, attachments, refused }: Pick<ChatForm, 'text' | 'attachments' | 'refused'>) {
  const name = attachments.map(each => ('token' in each ? each.name : ''))
  return { text, attachment: attachments.map(fieldOf), name, refused }
}

/** Without a file, named as its field is. */
export function without(form: ChatForm, value: string): ChatForm {
  return {
    ...form,
    attachments: form.attachments.filter(each => fieldOf(each) !== value),
    refused: form.refused.filter(each => each !== value),
  }
}

export function fieldOf(attachment: ChatForm['attachments'][number]): string {
  return 'token' in attachment ? `picture:${attachment.token}` : `text:${attachment.textId}`
}
