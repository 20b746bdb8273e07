import type { ComposerView } from '../images/view.ts'
import type { Key } from '../web/i18n.ts'

/** A prompt to start from, of the person's own or one of ours. */
export interface PromptView {
  /** Names it in the address of Create. */
  field: 'saved' | 'idea'
  id: string
  /** What it is called; null for ours, which go by their words. */
  name: string | null
  text: string
  /** What is asked for before it is used. */
  slots: string[]
  references: number
}

/** A suggestion that was paid for. */
export interface SuggestedView {
  id: string
  kind: 'improve' | 'describe'
  words: string
}

export interface SubjectView {
  subject: string
  words: Key
  drawing: string
  prompts: PromptView[]
}

/** One that has just been deleted, with all that saves it again. */
export interface DeletedView {
  name: string
  values: ComposerView['values']
}
