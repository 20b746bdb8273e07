import type { Deps } from '../../deps.ts'
import { deleteBytes, filePicture, newToken, storePicture } from '../../library/keep.ts'
import { deleteNamed, insertNamed } from '../../library/named-queries.ts'
import type { Returned } from '../../library/queries.ts'
import { insertAttachments, insertText } from '../message-queries.ts'
import { tellPages } from '../notify-queries.ts'
import { type DrawnFor, deleteWaiting, lockPlace } from './drawn-queries.ts'

/** What is known of a picture that an answer brought. */
export interface DrawnFacts {
  name: string
  prompt: string
  isPreview: boolean
  /** It is none, or cannot be stored as one: the letters are there to be downloaded. */
  isLetters: boolean
  /** What the gateway says that it is. */
  returned: Returned
}

type Answer = Pick<DrawnFor, 'messageId' | 'conversationId' | 'userId' | 'model'>

/**
 * Files a picture in the library of whom the answer is for, like every picture that was paid for, and beside the answer.
 * Safe to repeat. Throws `StorageError` or `DatabaseUnavailable` where it is to be tried again.
 */
export async function fileDrawn(
  deps: Deps,
  answer: Answer,
  position: number,
  content: Buffer,
  { name = '', prompt = '', isPreview = false, isLetters = false, returned = {} }: Partial<DrawnFacts> = {},
): Promise<void> {
  const { userId, messageId, conversationId, model } = answer
  if (isLetters) return fileLetters(deps, answer, position, content)
  const token = newToken()
  await insertNamed(deps.db, token)
  const stored = await storePicture(deps, token, content)
  const { width, height } = stored.digest
  const facts = { userId, token, jobId: null, position, model, prompt }
  const picture = {
    ...facts,
    requestedSize: `${width}x${height}`,
    quality: 'auto',
    returned,
    ...(isPreview && { condition: 'preview' as const }),
  }
  const isNew = await deps.db.transaction(async tx => {
    if (!(await lockPlace(tx, messageId, position))) return false
    await deleteNamed(tx, token)
    const kept = await filePicture({ ...deps, db: tx }, stored, picture)
    await insertAttachments(tx, messageId, [{ position, name, token: kept, textId: null, isPreview }])
    await deleteWaiting(tx, messageId, position)
    await tellPages(tx, conversationId, 'change')
    await deps.at?.('committing', messageId)
    return true
  })
  await deps.at?.('filed', messageId)
  if (isNew) return deps.metrics.pictures.inc()
  await deleteBytes(deps, token)
  await deleteNamed(deps.db, token)
}

async function fileLetters(deps: Deps, answer: Answer, position: number, letters: Buffer): Promise<void> {
  const { userId, messageId, conversationId } = answer
  const name = `picture-${position + 1}.base64.txt`
  await deps.db.transaction(async tx => {
    if (!(await lockPlace(tx, messageId, position))) return
    const { id } = await insertText(tx, userId, name, letters.toString('utf8'))
    await insertAttachments(tx, messageId, [{ position, name, token: null, textId: id }])
    await deleteWaiting(tx, messageId, position)
    await tellPages(tx, conversationId, 'change')
  })
}
