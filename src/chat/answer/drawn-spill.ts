import { z } from 'zod'
import type { Deps } from '../../deps.ts'
import { Returned } from '../../library/queries.ts'
import { messageOf } from '../../storage/spill.ts'
import { beforeLeaving, isOutage } from '../../work/persist.ts'
import { createRefiler } from '../../work/refiler.ts'
import { tellChange } from '../archive/keep.ts'
import { tellPages } from '../notify-queries.ts'
import { type DrawnFor, deleteUnspilled, findAnswerOfSpill, upsertWaiting } from './drawn-queries.ts'
import { type DrawnFacts, fileDrawn } from './file-drawn.ts'

const Facts = z.record(
  z.coerce.number(),
  z.object({
    name: z.string(),
    prompt: z.string(),
    isPreview: z.boolean(),
    isLetters: z.boolean(),
    returned: Returned.default({}),
  }),
)

/** Before the bytes that they are of. */
export function writeFacts(deps: Deps, work: string, told: ReadonlyMap<number, DrawnFacts>): Promise<void> {
  return deps.spill.putNote(work, JSON.stringify(Object.fromEntries(told)))
}

async function readFacts(deps: Deps, work: string): Promise<z.output<typeof Facts>> {
  return Facts.parse(JSON.parse((await deps.spill.readNote(work)) ?? '{}'))
}

/** That these pictures are safe here, and wait. */
export async function tellWaiting(
  deps: Deps,
  { messageId, conversationId }: Pick<DrawnFor, 'messageId' | 'conversationId'>,
  positions: readonly number[],
): Promise<void> {
  const news = await upsertWaiting(deps.db, messageId, positions, await deps.spill.owner())
  await deps.at?.('told', messageId)
  if (news) await tellPages(deps.db, conversationId, 'change')
}

/** Files what waits of answers in the spill of this machine; call it again and again. */
export function createDrawnRefiler(deps: Deps): (claimsHere: readonly string[]) => Promise<void> {
  return createRefiler(deps, 'answer', (works, claimsHere) => bringHome(deps, works, claimsHere))
}

async function bringHome(deps: Deps, works: readonly string[], claimsHere: readonly string[]): Promise<void> {
  const over: { work: string; answer: DrawnFor }[] = []
  // All are told of before any is filed: a store that is still away ends the round at the first.
  for (const work of works) {
    const answer = await findAnswerOfSpill(deps.db, messageOf(work))
    // Its conversation is gone for good.
    if (!answer) await deps.spill.removeWork(work)
    else if (answer.isOver && !claimsHere.includes(answer.claim ?? '')) {
      over.push({ work, answer })
      await tellWaiting(
        deps,
        answer,
        (await deps.spill.listOf(work)).map(({ position }) => position),
      )
    }
  }
  for (const { work, answer } of over) {
    if (deps.leaving.aborted) return
    try {
      await bringHomeOne(deps, work, answer)
    } catch (error) {
      if (isOutage(error)) throw error
      // One that fails by itself keeps no other waiting.
      deps.log.error({ err: error, answer: answer.messageId }, 'the spill of an answer could not be filed')
    }
  }
}

async function bringHomeOne(deps: Deps, work: string, answer: DrawnFor): Promise<void> {
  const facts = await readFacts(deps, work)
  const waiting = await deps.spill.listOf(work)
  for (const spilled of waiting) {
    const { position } = spilled
    const bytes = await deps.spill.read(spilled)
    if (bytes) await beforeLeaving(deps, fileDrawn(deps, answer, position, bytes, facts[position]))
    await deps.spill.remove(spilled)
  }
  if (waiting.length > 0) await tellChange(deps.db, { id: answer.conversationId, userId: answer.userId })
  await deps.spill.removeWork(work)
  if (waiting.length === 0) return
  deps.log.info({ answer: answer.messageId, pictures: waiting.length }, 'the spill of an answer was filed')
}

/** What an operator deleted from this spill, or what was damaged there, is waited for no more. */
export async function forgetUnspilled(deps: Deps): Promise<void> {
  const works = await deps.spill.list('answer')
  await deleteUnspilled(deps.db, await deps.spill.owner(), works.map(messageOf))
}
