import type { Request, Response } from 'express'
import type { Deps } from '../deps.ts'
import { createIntake } from '../library/intake.ts'
import { UPLOAD_BYTES } from '../library/uploads.ts'
import { signedIn } from '../session/guard.ts'
import { pageOf } from '../web/render.ts'
import { uploadsOf } from '../web/uploads.ts'
import { MOST_ATTACHMENTS } from './ask.ts'
import { keepFiles } from './attachments.ts'
import { type ChatForm, readChatForm } from './form.ts'

export const uploadLimits = { files: MOST_ATTACHMENTS, bytes: UPLOAD_BYTES }

/** Reads what the composer sends, and keeps the files that came with it. */
export function composerReader(deps: Deps) {
  const intake = createIntake(deps.db)

  function keepUploads(req: Request, res: Response) {
    const unnamed = pageOf(res).t('images.upload.unnamed')
    return keepFiles(deps, intake, signedIn(res).userId, uploadsOf(req, 'file'), unnamed)
  }

  /** With the files that came along: without JavaScript they are not kept beforehand. */
  async function readComposer(req: Request, res: Response): Promise<ChatForm> {
    const form = readChatForm(req.body)
    const files = uploadsOf(req, 'file')
    const { attachments, refused } = await keepUploads(req, res)
    const added = attachments.flatMap(({ value, name }) => readChatForm({ attachment: value, name }).attachments)
    return {
      ...form,
      attachments: [...form.attachments, ...added],
      // They take the place of as many that were refused before.
      refused: [...form.refused.slice(files.length), ...refused],
    }
  }

  return { keepUploads, readComposer }
}
