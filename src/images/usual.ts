import type { Db } from '../db/db.ts'
import { defaultModel, findCapability } from '../models/image-models.ts'
import { type Usual, usualOf } from '../spend/how-long.ts'
import { listPaces, type Pace } from '../spend/pace-queries.ts'
import type { ImageJob } from './job-queries.ts'
import { type FormValues, readWholeNumber, sizeOf } from './prompt.ts'

const FRESH_MS = 1_000
const MOST_KNOWN = 1_000
/** By person and model. */
type Known = Map<string, { at: number; paces: Promise<Pace[]> }>
const known = new WeakMap<Db, Known>()

/** How long each of these jobs of one person takes that is not made yet, as far as that is known. */
export async function usualOfJobs(db: Db, userId: number, jobs: readonly ImageJob[]): Promise<Map<string, Usual>> {
  const waiting = jobs.filter(({ state }) => state === 'queued' || state === 'running')
  if (waiting.length === 0) return new Map()
  const models = [...new Set(waiting.map(({ model }) => model))]
  const paces = (await Promise.all(models.map(model => pacesOf(db, userId, model)))).flat()
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
  return usualOf(await pacesOf(db, userId, model.id), work)
}

/** Asked for once a moment: a page needs them for its form and for its tiles, and its tiles change all the time. */
function pacesOf(db: Db, userId: number, model: string): Promise<Pace[]> {
  const here: Known = known.get(db) ?? new Map()
  known.set(db, here)
  const name = `${userId} ${model}`
  const last = here.get(name)
  if (last && performance.now() - last.at < FRESH_MS) return last.paces
  if (here.size >= MOST_KNOWN) here.clear()
  const paces = listPaces(db, userId, [model])
  here.set(name, { at: performance.now(), paces })
  paces.catch(() => here.delete(name))
  return paces
}
