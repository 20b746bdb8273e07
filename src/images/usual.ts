import type { Db } from '../db/db.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { type Usual, usualOf } from '../spend/how-long.ts'
import { listPaces } from '../spend/pace-queries.ts'
import type { ImageJob } from './job-queries.ts'
import { type FormValues, readWholeNumber, sizeOf } from './prompt.ts'

/** How long each of these jobs of one person takes that is not made yet, as far as that is known. */
export async function usualOfJobs(db: Db, userId: number, jobs: readonly ImageJob[]): Promise<Map<string, Usual>> {
  const waiting = jobs.filter(({ state }) => state === 'queued' || state === 'running')
  if (waiting.length === 0) return new Map()
  const paces = await listPaces(db, userId, [...new Set(waiting.map(({ model }) => model))])
  return new Map(
    waiting.flatMap((job): [string, Usual][] => {
      const usual = usualOf(paces, { ...job, isEdit: job.referenceTokens.length > 0 })
      return usual ? [[job.id, usual]] : []
    }),
  )
}

/** How long what the form asks for takes with this key. */
export async function usualOfForm(
  db: Db,
  userId: number,
  keyId: number | null,
  values: FormValues,
): Promise<Usual | null> {
  const model = findCapability(values.model) ?? defaultModel
  const { quality, references } = values
  const n = readWholeNumber(values.n) ?? 1
  const work = { keyId, model: model.id, size: sizeOf(values), quality, n, isEdit: references.length > 0 }
  return usualOf(await listPaces(db, userId, [model.id]), work)
}
