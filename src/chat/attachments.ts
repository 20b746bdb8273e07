import { readFile } from 'node:fs/promises'
import type { Response } from 'express'
import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/queries.ts'
import { keepUpload, UploadRefused } from '../library/uploads.ts'
import { signedIn } from '../session/guard.ts'
import { maxPixels } from '../storage/thumbnails.ts'
import { pageOf } from '../web/render.ts'
import type { Upload } from '../web/uploads.ts'
import { MOST_ATTACHMENTS } from './ask.ts'
import type { ChatForm } from './form.ts'
import { insertText, listTexts } from './message-queries.ts'
import { viewPicture } from './thread.ts'
import type { AttachmentView } from './view.ts'

const LONGEST_TEXT_FILE = 256 * 1024

/** Pictures go to the library, plain texts are kept beside it; what is neither is named. */
export async function keepFiles(
  deps: Deps,
  res: Response,
  files: readonly Upload[],
): Promise<{ attachments: AttachmentView[]; refused: string[] }> {
  const { userId } = signedIn(res)
  const { t } = pageOf(res)
  const attachments: AttachmentView[] = []
  const refused: string[] = []
  for (const { name, file } of files) {
    const called = name.trim().slice(0, 200) || t('images.upload.unnamed')
    const words = { name: called, size: '20 MiB', megapixels: maxPixels / 1e6, max: MOST_ATTACHMENTS }
    if (!file) {
      refused.push(t('images.upload.too_large', words))
      continue
    }
    // An empty field of a form without JavaScript.
    const bytes = await readFile(file)
    if (bytes.length === 0) continue
    const text = readText(bytes)
    try {
      if (text !== null) {
        const kept = await insertText(deps.db, userId, called, text)
        attachments.push({ value: `text:${kept.id}`, name: called, picture: null, isText: true })
      } else {
        const kept = await keepUpload(deps, userId, { file })
        attachments.push(viewPicture(kept.token, called, new Map([[kept.token, kept]])))
      }
    } catch (error) {
      if (!(error instanceof UploadRefused)) throw error
      const isOther = error.reason === 'not_an_image' || error.reason === 'unsupported_format'
      refused.push(isOther ? t('chat.file_unusable', words) : t(`images.upload.${error.reason}`, words))
    }
  }
  return { attachments, refused }
}

/** The text of a plain text file; null for anything else. */
function readText(bytes: Buffer): string | null {
  if (bytes.length > LONGEST_TEXT_FILE) return null
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
