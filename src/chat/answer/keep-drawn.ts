import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../../deps.ts'
import type { Drawn } from '../../gateway/client.ts'
import { salvage } from '../../pixels/salvage.ts'
import { answerWork } from '../../storage/spill.ts'
import { StorageError } from '../../storage/storage.ts'
import { beforeLeaving, isOutage, Left, persist } from '../../work/persist.ts'
import type { ClaimedReply } from './claim-queries.ts'
import { type Drawing, LONGEST_PROMPT } from './drawn.ts'
import { tellWaiting, writeFacts } from './drawn-spill.ts'
import { type DrawnFacts, fileDrawn } from './file-drawn.ts'

const LONGEST_NAME = 200
const MOST_LETTERS = 8_000_000

/** Keeps the pictures of one answer while that goes on. */
export interface DrawnKeeper {
  begin(drawing: Drawing): void
  keep(index: number, drawn: Drawn): void
  /** Resolves when all are kept, as far as they can be. */
  settled(): Promise<void>
}

export function keepDrawn(deps: Deps, reply: ClaimedReply, asked: string): DrawnKeeper {
  const names = new Map<number, string>()
  const told = new Map<number, DrawnFacts>()
  let kept = Promise.resolve()

  async function keep(index: number, drawn: Drawn): Promise<void> {
    const { content, isLetters } = await contentOf(drawn)
    if (content.length === 0) return
    const name = (names.get(index) || drawn.prompt || asked).slice(0, LONGEST_NAME).toWellFormed()
    const prompt = (drawn.prompt || asked).slice(0, LONGEST_PROMPT).toWellFormed()
    const { revisedPrompt: _, ...returned } = drawn.told
    told.set(index, { name, prompt, isPreview: drawn.isPreview, isLetters, returned })
    await keepOne(deps, reply, { position: index, content, told })
  }

  return {
    begin: ({ index, name }) => void names.set(index, name),
    keep(index, drawn) {
      kept = kept.then(() =>
        keep(index, drawn).catch(error =>
          deps.log.error({ err: error, reply: reply.messageId, index }, 'a picture of an answer could not be kept'),
        ),
      )
    },
    settled: () => kept,
  }
}

/** What is no picture is kept as its letters, to be downloaded. */
async function contentOf({ bytes, letters }: Drawn): Promise<{ content: Buffer; isLetters: boolean }> {
  const isPicture = bytes && (await salvage(bytes)).condition !== 'undecodable'
  if (isPicture) return { content: bytes, isLetters: false }
  const written = letters || (bytes?.toString('base64') ?? '')
  return { content: Buffer.from(written.slice(0, MOST_LETTERS)), isLetters: true }
}

interface Kept {
  position: number
  content: Buffer
  /** Of all pictures of the answer so far. */
  told: ReadonlyMap<number, DrawnFacts>
}

/** On the disk of this machine first: from then on nothing that goes away takes the picture with it. */
async function keepOne(deps: Deps, reply: ClaimedReply, { position, content, told }: Kept): Promise<void> {
  const work = answerWork(reply.messageId)
  try {
    await writeFacts(deps, work, told)
    await deps.spill.put(work, position, content)
  } catch (error) {
    deps.log.error({ err: error, reply: reply.messageId, position }, 'a picture of an answer could not be spilled')
    return keepWithoutSpill(deps, reply, { position, content, told })
  }
  try {
    await beforeLeaving(deps, fileDrawn(deps, reply, position, content, told.get(position)))
    for (const spilled of await deps.spill.listOf(work))
      if (spilled.position === position) await deps.spill.remove(spilled)
  } catch (error) {
    if (!isOutage(error)) throw error
    deps.log.warn({ err: error, reply: reply.messageId, position }, 'a picture of an answer waits in the spill')
    await tellSoon(deps, reply, position)
  }
}

const TELL_MS = 5_000

/** A database that is away too hears of it when it is back. */
async function tellSoon(deps: Deps, reply: ClaimedReply, position: number): Promise<void> {
  const told = tellWaiting(deps, reply, [position]).catch(error =>
    deps.log.warn({ err: error, reply: reply.messageId }, 'a waiting picture could not be told of yet'),
  )
  await Promise.race([told, delay(TELL_MS, undefined, { ref: false, signal: deps.leaving }).catch(() => undefined)])
}

/** For as long as paid work is held on to; then, where only the store is away, as letters. */
async function keepWithoutSpill(deps: Deps, reply: ClaimedReply, { position, content, told }: Kept): Promise<void> {
  const facts = told.get(position)
  try {
    await persist(deps, () => fileDrawn(deps, reply, position, content, facts))
  } catch (error) {
    if (!(error instanceof StorageError || error instanceof Left)) throw error
    deps.log.warn({ err: error, reply: reply.messageId }, 'a picture of an answer is kept as its letters')
    const letters = Buffer.from(content.toString('base64'))
    await persist(deps, () => fileDrawn(deps, reply, position, letters, { ...facts, isLetters: true }))
  }
}
