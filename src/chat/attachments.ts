import type { Db } from '../db/db.ts'
import type { Deps } from '../deps.ts'
import { listFiles } from '../library/file-queries.ts'
import type { Intake } from '../library/intake.ts'
import { keepUpload } from '../library/uploads.ts'
import type { Upload } from '../web/uploads.ts'
import { MOST_ATTACHMENTS } from './ask.ts'
import type { ChatForm } from './form.ts'
import { insertText, listTextNames } from './message-queries.ts'
import { viewPicture } from './page/thread.ts'
import type { AttachmentView } from './page/view.ts'
import { type NoText, readTextFile } from './text-file.ts'

/** Pictures go to the library, plain texts are kept beside it; what is neither is refused, as a field of the form. Throws like the intake. */
export async function keepFiles(
  deps: Deps,
  intake: Intake,
  userId: number,
  uploads: readonly Upload[],
  unnamed: string,
): Promise<{ attachments: AttachmentView[]; refused: string[] }> {
  // Of the file that is looked at: they are taken one after the other.
  let noText: NoText = 'unreadable'
  const { kept, refused } = await intake(uploads, {
    userId,
    room: MOST_ATTACHMENTS,
    unnamed,
    async keep(file, name): Promise<AttachmentView> {
      const read = await readTextFile(file)
      if ('refused' in read) {
        noText = read.refused
        const picture = await keepUpload(deps, userId, { file })
        return viewPicture(picture.token, name, new Map([[picture.token, picture]]))
      }
      const { id } = await insertText(deps.db, userId, name, read.text)
      return { value: `text:${id}`, name, picture: null, isText: true }
    },
    reasonOf: reason => (reason === 'not_an_image' || reason === 'unsupported_format' ? noText : reason),
  })
  return { attachments: kept, refused }
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
  const texts = new Map(
    (textIds.length > 0 ? await listTextNames(db, userId, textIds) : []).map(text => [text.id, text]),
  )
  return attachments.flatMap((each): AttachmentView[] => {
    if ('token' in each) return files.has(each.token) ? [viewPicture(each.token, each.name, files)] : []
    const text = texts.get(each.textId)
    return text ? [{ value: `text:${text.id}`, name: text.name, picture: null, isText: true }] : []
  })
}
