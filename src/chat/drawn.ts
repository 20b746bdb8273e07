import type { Deps } from '../deps.ts'
import type { Drawn, ResponseEvent } from '../gateway/client.ts'
import { pictureSieve } from '../gateway/picture-words.ts'
import { deleteBytes, filePicture, newToken, storePicture } from '../library/keep.ts'
import { deleteNamed, insertNamed } from '../library/queries.ts'
import { StorageError } from '../storage/storage.ts'
import { NotAPicture } from '../storage/thumbnails.ts'
import { Left, persist } from '../worker.ts'
import type { Turn } from './branch.ts'
import type { ClaimedReply } from './claim-queries.ts'
import { insertAttachments, insertText } from './message-queries.ts'

/** How the text of an answer names its pictures: Markdown's images, of attachments counted from one. */
const reference = /!\[([^\]\n]{0,200})\]\(attachment:(\d{1,2})\)/g
const LONGEST_NAME = 200
const LONGEST_PROMPT = 32_000
const MOST_LETTERS = 8_000_000

type Drawing = Extract<ResponseEvent, { type: 'drawing' }>

/** What stands in the text of an answer, behind `before`, where a picture begins. */
export function referTo({ index, by, name }: Drawing, before: string): string {
  const image = `![${name}](attachment:${index + 1})`
  if (by === 'words') return image
  return `${before === '' ? '' : '\n\n'}${image}\n\n`
}

/** A text with something else in place of its pictures; each counted from zero. */
export function replaceDrawn(text: string, replace: (index: number, name: string) => string): string {
  return text.replace(reference, (_whole, name: string, number: string) => replace(Number(number) - 1, name))
}

/** The text without pictures that were written into it as letters, before they were picked out. */
export function withoutLetters(text: string): string {
  const sieve = pictureSieve(0)
  const pieces = [...sieve.write(text), ...sieve.end()]
  return pieces.map(piece => (typeof piece === 'string' ? piece : 'begins' in piece ? '[a picture]' : '')).join('')
}

/** What was asked for: the newest words of the person above an answer. */
export function promptAbove(turns: readonly Turn[]): string {
  return (
    turns
      .findLast(turn => turn.kind === 'user')
      ?.message.text.slice(0, LONGEST_PROMPT)
      .toWellFormed() ?? ''
  )
}

/** Keeps the pictures of one answer while that goes on. */
export interface DrawnKeeper {
  begin(drawing: Drawing): void
  keep(index: number, drawn: Drawn): void
  /** Resolves when all are kept, as far as they can be. */
  settled(): Promise<void>
}

export function keepDrawn(deps: Deps, reply: ClaimedReply, asked: string): DrawnKeeper {
  const names = new Map<number, string>()
  let kept = Promise.resolve()
  return {
    begin: ({ index, name }) => void names.set(index, name),
    keep(index, drawn) {
      const name = (names.get(index) || drawn.prompt || asked).slice(0, LONGEST_NAME).toWellFormed()
      kept = kept.then(() =>
        keepOne(deps, reply, { index, name, asked, ...drawn }).catch(error =>
          deps.log.error({ err: error, reply: reply.messageId, index }, 'a picture of an answer could not be kept'),
        ),
      )
    },
    settled: () => kept,
  }
}

interface Named extends Drawn {
  index: number
  name: string
  asked: string
}

async function keepOne(deps: Deps, reply: ClaimedReply, drawn: Named): Promise<void> {
  const { bytes } = drawn
  try {
    if (bytes) return await keepPicture(deps, reply, drawn, bytes)
  } catch (error) {
    if (!(error instanceof NotAPicture || error instanceof StorageError || error instanceof Left)) throw error
    deps.log.warn({ err: error, reply: reply.messageId }, 'a picture of an answer is kept as its letters')
  }
  const letters = drawn.letters || (bytes?.toString('base64') ?? '')
  if (letters !== '') await keepLetters(deps, reply, drawn, letters.slice(0, MOST_LETTERS))
}

/** In the library of whom the answer is for, like every picture that was paid for, and beside the answer. */
async function keepPicture(deps: Deps, reply: ClaimedReply, drawn: Named, bytes: Buffer): Promise<void> {
  const { userId, messageId, model } = reply
  const { index, name, isPreview } = drawn
  const token = newToken()
  await persist(deps, () => insertNamed(deps.db, token))
  const stored = await persist(deps, () => storePicture(deps, token, bytes))
  if (stored.condition === 'undecodable') {
    await deleteBytes(deps, token)
    throw new NotAPicture('damaged')
  }
  const { width, height } = stored.digest
  const prompt = (drawn.prompt || drawn.asked).slice(0, LONGEST_PROMPT).toWellFormed()
  const facts = { userId, token, jobId: null, position: index, model, prompt }
  const picture = {
    ...facts,
    requestedSize: `${width}x${height}`,
    quality: 'auto',
    ...(isPreview && { condition: 'preview' as const }),
  }
  await persist(deps, () =>
    deps.db.transaction(async tx => {
      await deleteNamed(tx, token)
      const kept = await filePicture({ ...deps, db: tx }, stored, picture)
      await insertAttachments(tx, messageId, [{ position: index, name, token: kept, textId: null, isPreview }])
    }),
  )
  deps.metrics.pictures.inc()
}

/** What is no picture, or cannot be stored as one, is there to be downloaded. */
async function keepLetters(deps: Deps, reply: ClaimedReply, { index }: Named, letters: string): Promise<void> {
  const name = `picture-${index + 1}.base64.txt`
  await persist(deps, () =>
    deps.db.transaction(async tx => {
      const { id } = await insertText(tx, reply.userId, name, letters)
      await insertAttachments(tx, reply.messageId, [{ position: index, name, token: null, textId: id }])
    }),
  )
}
