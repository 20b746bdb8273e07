import { readFile } from 'node:fs/promises'
import type { Response } from 'express'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { type Intake, wordRefusal } from '../library/intake.ts'
import { listFiles } from '../library/queries.ts'
import { keepUpload } from '../library/uploads.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf } from '../web/render.ts'
import type { Upload } from '../web/uploads.ts'
import { MOST_ATTACHMENTS } from './ask.ts'
import type { ChatForm } from './form.ts'
import { insertText, listTexts } from './message-queries.ts'
import { viewPicture } from './thread.ts'
import type { AttachmentView } from './view.ts'

const LONGEST_TEXT_FILE = 256 * 1024

/** Pictures go to the library, plain texts are kept beside it; what is neither is named. Throws like the intake. */
export async function keepFiles(
  deps: Deps,
  intake: Intake,
  res: Response,
  uploads: readonly Upload[],
): Promise<{ attachments: AttachmentView[]; refused: string[] }> {
  const { userId } = signedIn(res)
  const { t } = pageOf(res)
  const { kept, refused } = await intake(uploads, {
    userId,
    room: MOST_ATTACHMENTS,
    t,
    async keep(file, name): Promise<AttachmentView> {
      const text = readText(await readFile(file))
      if (text === null) {
        const picture = await keepUpload(deps, userId, { file })
        return viewPicture(picture.token, name, new Map([[picture.token, picture]]))
      }
      const { id } = await insertText(deps.db, userId, name, text)
      return { value: `text:${id}`, name, picture: null, isText: true }
    },
    word(reason, name) {
      const isOther = reason === 'not_an_image' || reason === 'unsupported_format'
      return isOther ? t('chat.file_unusable', { name }) : wordRefusal(t, reason, name, MOST_ATTACHMENTS)
    },
  })
  return { attachments: kept, refused: refused.map(({ sentence }) => sentence) }
}

/** The text of a plain text file; null for anything else. */
function readText(bytes: Buffer): string | null {
  if (bytes.length === 0 || bytes.length > LONGEST_TEXT_FILE) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    // Binary files that happen to be UTF-8 have them; a NUL cannot be stored either.
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}

/** What a form names, as far as it is still there. */
export async function viewAttachments(
  db: Db,
  userId: number,
  attachments: ChatForm['attachments'],
): Promise<AttachmentView[]> {
  const tokens = attachments.flatMap(each => ('token' in each ? each.token : []))
  const textIds = attachments.flatMap(each => ('textId' in each ? each.textId : []))
  const files = new Map((tokens.length > 0 ? await listFiles(db, userId, tokens) : []).map(file => [file.token, file]))
  const texts = new Map((textIds.length > 0 ? await listTexts(db, userId, textIds) : []).map(text => [text.id, text]))
  return attachments.flatMap((each): AttachmentView[] => {
    if ('token' in each) return files.has(each.token) ? [viewPicture(each.token, each.name, files)] : []
    const text = texts.get(each.textId)
    return text ? [{ value: `text:${text.id}`, name: text.name, picture: null, isText: true }] : []
  })
}
