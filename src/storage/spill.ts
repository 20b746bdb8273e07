import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { absent, linkWhole, noFolder, probeFolder, writeWhole } from './whole-files.ts'

/** What the pictures of a work are for: a job, or an answer that brought them by itself. */
export type SpillKind = 'job' | 'answer'

/** Bytes that wait on this machine: of which work, and the how-manieth of it. */
export interface Spilled {
  work: string
  position: number
  file: string
}

export interface SpillStatus {
  pictures: number
  bytes: number
  limitBytes: number
  /** Nothing more can be written to it. */
  broken: boolean
}

/**
 * Where paid bytes wait while the store or the database is away: plain files `<directory>/<work>/<position>-<SHA-256>`,
 * mode 0600, and beside them a note of how the work ended. Every write is whole or absent, after a power cut too. May be
 * shared by processes. What fails is the file system's own error.
 */
export interface Spill {
  /** Of the directory, not of the process: it comes back with the bytes, on whichever machine. */
  owner(): Promise<string>
  /** Safe to repeat. More than the limit is taken: what is here is paid for. */
  put(work: string, position: number, bytes: Uint8Array): Promise<void>
  putNote(work: string, note: string): Promise<void>
  readNote(work: string): Promise<string | null>
  /** Works that have a folder, even an empty one. */
  list(kind: SpillKind): Promise<string[]>
  listOf(work: string): Promise<Spilled[]>
  /** Null when they are gone, or not what was written: such a file is put aside, as `<name>.damaged`. */
  read(spilled: Spilled): Promise<Buffer | null>
  remove(spilled: Spilled): Promise<void>
  /** All that is left of a work. */
  removeWork(work: string): Promise<void>
  /** Whether work may begin that could need it. */
  hasRoom(): Promise<boolean>
  status(): Promise<SpillStatus>
}

const ANSWER = 'answer-'
const isId = (name: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name)
const isWorkOf: Record<SpillKind, (entry: string) => boolean> = {
  job: isId,
  answer: entry => entry.startsWith(ANSWER) && isId(entry.slice(ANSWER.length)),
}

/** Of an answer; of a job it is the id. */
export const answerWork = (messageId: string) => `${ANSWER}${messageId}`
export const messageOf = (work: string) => work.slice(ANSWER.length)

const NOTE = 'ending.json'

export function openSpill(directory: string, limitBytes: number): Spill {
  // Until it has been written to once, nobody knows whether it can be.
  let state: 'untried' | 'works' | 'broken' = 'untried'
  let owner: Promise<string> | null = null

  async function listOf(work: string): Promise<Spilled[]> {
    const folder = path.join(directory, work)
    const names = await readdir(folder).catch(noFolder)
    return names
      .filter(name => /^\d+-[0-9a-f]{64}$/.test(name))
      .map(name => ({ work, position: Number.parseInt(name, 10), file: path.join(folder, name) }))
      .sort((a, b) => a.position - b.position)
  }

  async function list(kind: SpillKind): Promise<string[]> {
    return (await readdir(directory).catch(noFolder)).filter(isWorkOf[kind])
  }

  async function status(): Promise<SpillStatus> {
    const entries = await readdir(directory).catch(noFolder)
    const works = entries.filter(entry => isWorkOf.job(entry) || isWorkOf.answer(entry))
    const spilled = (await Promise.all(works.map(listOf))).flat()
    const sizes = await Promise.all(spilled.map(({ file }) => stat(file).catch(absent)))
    const bytes = sizes.reduce((sum, found) => sum + (found?.size ?? 0), 0)
    return { pictures: spilled.length, bytes, limitBytes, broken: state === 'broken' }
  }

  async function write(file: string, bytes: Uint8Array | string): Promise<void> {
    try {
      await writeWhole(file, target => target.writeFile(bytes))
      state = 'works'
    } catch (error) {
      state = 'broken'
      throw error
    }
  }

  return {
    owner() {
      owner ??= readOrMakeOwner(directory).catch(error => {
        owner = null
        throw error
      })
      return owner
    },
    put: (work, position, bytes) => write(path.join(directory, work, `${position}-${sha256(bytes)}`), bytes),
    putNote: (work, note) => write(path.join(directory, work, NOTE), note),
    readNote: work => readFile(path.join(directory, work, NOTE), 'utf8').catch(absent),
    list,
    listOf,
    async read({ file }) {
      const bytes = await readFile(file).catch(absent)
      if (!bytes || file.endsWith(`-${sha256(bytes)}`)) return bytes
      await rename(file, `${file}.damaged`).catch(absent)
      return null
    },
    remove: ({ file }) => rm(file, { force: true }),
    removeWork: work => rm(path.join(directory, work), { recursive: true, force: true }),
    async hasRoom() {
      try {
        if (state !== 'works') {
          await mkdir(directory, { recursive: true, mode: 0o700 })
          await probeFolder(directory)
          state = 'works'
        }
        return (await status()).bytes < limitBytes
      } catch {
        state = 'broken'
        return false
      }
    },
    status,
  }
}

async function readOrMakeOwner(directory: string): Promise<string> {
  const file = path.join(directory, 'worker-id')
  const known = await readFile(file, 'utf8').catch(absent)
  if (known) return known.trim()
  await linkWhole(file, randomUUID())
  return (await readFile(file, 'utf8')).trim()
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
