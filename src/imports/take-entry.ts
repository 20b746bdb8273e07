import { createHash } from 'node:crypto'
import type { Deps } from '../deps.ts'
import { keepReceived } from '../library/keep-received.ts'
import { keepUpload, UPLOAD_BYTES, UploadRefused } from '../library/uploads.ts'
import { fileImported } from './file.ts'
import { MANIFEST, type Manifest, type Said } from './manifest.ts'
import type { ClaimedImport, ImportEntry } from './queries.ts'
import type { Reason } from './view.ts'
import { BadEntry, type Entry, isBadName } from './zip.ts'

/** More than a model has ever delivered. */
const LARGEST_PICTURE = 64 * 1024 ** 2

/** What an import may still take, over all of its entries. */
export interface Budget {
  /** Bytes to be unpacked. */
  left: number
  /** Of the entries so far. */
  names: Set<string>
}

type Result = Pick<ImportEntry, 'outcome' | 'reason' | 'pictureId'>
type TakeDeps = Pick<Deps, 'db' | 'storage' | 'log' | 'config' | 'at'>

/** What becomes of an entry; null where there is nothing to be said. `isTaken`: it was seen to before, and counts only. */
export async function takeEntry(
  deps: TakeDeps,
  taken: ClaimedImport,
  entry: Entry,
  manifest: Manifest | null,
  budget: Budget,
  isTaken: boolean,
): Promise<Result | null> {
  const { name } = entry
  const isTwice = budget.names.has(name)
  budget.names.add(name)
  if (entry.isFolder) return null
  if (isBadName(name)) return refused('name')
  if (isOfSystem(name)) return { outcome: 'skipped', reason: 'of_system', pictureId: null }
  if (!entry.isPlain) return refused('not_plain')
  if (isTwice) return refused('twice')
  if (name === MANIFEST) return null
  if (entry.isEncrypted) return refused('encrypted')
  if (!entry.isReadable) return refused('method')
  if (manifest?.papers.has(name)) return { outcome: 'skipped', reason: 'paper', pictureId: null }
  const said = manifest?.pictures.get(name)
  if (said === null) return refused('manifest')
  const most = said && said.origin !== 'uploaded' ? LARGEST_PICTURE : UPLOAD_BYTES
  if (entry.bytes > most) return refused('too_large')
  if (entry.bytes > budget.left) return refused('too_much')
  budget.left -= entry.bytes
  if (isTaken) return null
  try {
    return await takePicture(deps, taken, await entry.read(most), said)
  } catch (error) {
    if (error instanceof BadEntry || error instanceof UploadRefused) return refused(error.reason)
    throw error
  }
}

function refused(reason: Reason): Result {
  return { outcome: 'refused', reason, pictureId: null }
}

async function takePicture(
  deps: TakeDeps,
  { id, userId }: ClaimedImport,
  bytes: Buffer,
  said: Said | undefined,
): Promise<Result> {
  if (said && createHash('sha256').update(bytes).digest('hex') !== said.sha256) return refused('changed')
  const isUpload = !said || said.origin === 'uploaded'
  const token = isUpload ? (await keepUpload(deps, userId, bytes)).token : await keepReceived(deps, userId, bytes)
  await deps.at?.('stored', id)
  return fileImported(deps, userId, token, said ?? null)
}

/** What the systems of those who pack leave beside their files. */
function isOfSystem(name: string): boolean {
  const base = name.slice(name.lastIndexOf('/') + 1)
  return (
    name.startsWith('__MACOSX/') || base.startsWith('._') || ['.DS_Store', 'Thumbs.db', 'desktop.ini'].includes(base)
  )
}
