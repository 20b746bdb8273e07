import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { findFile } from '../library/file-queries.ts'
import type { Intake } from '../library/intake.ts'
import { findPicture } from '../library/queries.ts'
import { keepUpload, UPLOAD_BYTES } from '../library/uploads.ts'
import type { Upload } from '../web/uploads.ts'
import type { FormValues } from './prompt.ts'

export interface Kept {
  /** Of the files that were taken, in their order. */
  tokens: string[]
  /** The others, as fields of the form. */
  refused: string[]
}

/** Keeps every file that is a picture; `room` is how many more may go along. Throws like the intake. */
export async function keepReferences(
  deps: Pick<Deps, 'db' | 'storage' | 'log' | 'config'>,
  intake: Intake,
  userId: number,
  uploads: readonly Upload[],
  room: number,
  unnamed: string,
): Promise<Kept> {
  const keep = async (file: string) => (await keepUpload(deps, userId, { file })).token
  const { kept, refused } = await intake(uploads, { userId, room, keep, unnamed })
  return { tokens: [...new Set(kept)], refused }
}

/**
 * The form with files that came along in it. Where files are chosen in a form that is sent whole, they take the place of
 * as many that were refused before.
 */
export function withKept(values: FormValues, chosen: number, { tokens, refused }: Kept): FormValues {
  return {
    ...values,
    references: [...new Set([...values.references, ...tokens])],
    refused: [...new Set([...values.refused.slice(chosen), ...refused])],
  }
}

/** Tokens of this person's pictures, named by the id of a picture or the token of its file; others, and what cannot be shown, are left out. */
export async function tokensOf(db: Deps['db'], userId: number, names: readonly string[]): Promise<string[]> {
  const tokens = new Set<string>()
  for (const name of names) {
    const id = z.guid().safeParse(name)
    const found = id.success ? await findPicture(db, userId, id.data) : await findFile(db, userId, name)
    if (found && found.format !== 'bin') tokens.add(found.token)
  }
  return [...tokens]
}

/** The form with one reference, or refused file, less, or with one in another place. A mask belongs to the first: with another first it goes. */
export function rearranged(
  values: FormValues,
  change: { remove?: string | undefined; earlier?: string | undefined; later?: string | undefined; unmask?: boolean },
): FormValues {
  const references = values.references.filter(token => token !== change.remove)
  const move = (token: string | undefined, by: number) => {
    const from = references.indexOf(token ?? '')
    const to = from + by
    if (from < 0 || to < 0 || to >= references.length) return
    ;[references[from], references[to]] = [references[to]!, references[from]!]
  }
  move(change.earlier, -1)
  move(change.later, 1)
  const refused = values.refused.filter(file => file !== change.remove)
  const keepsMask = !change.unmask && references[0] === values.references[0]
  return { ...values, references, refused, mask: keepsMask ? values.mask : '' }
}

/** Whether a body came from one of the buttons beside the references. */
export function isRearrangement(body: unknown): boolean {
  return ['remove', 'earlier', 'later', 'unmask'].some(name => Object.hasOwn((body ?? {}) as object, name))
}

export const uploadLimits = { files: 16, bytes: UPLOAD_BYTES }
