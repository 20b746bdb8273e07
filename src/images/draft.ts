import type { Deps } from '../deps.ts'
import { upsertOlderDraft } from './draft-queries.ts'
import type { FormValues } from './prompt.ts'

/** Keeps a form that has been sent and answered, for the next visit; `sentAt` is on the clock of `performance.now()`. */
export async function keepDraft(
  deps: Pick<Deps, 'db' | 'log'>,
  userId: number,
  form: FormValues,
  sentAt: number,
): Promise<void> {
  try {
    await upsertOlderDraft(deps.db, userId, form, (performance.now() - sentAt) / 1000)
  } catch (error) {
    // Its answer has been sent: there is nobody to tell, and what was asked for has begun.
    deps.log.warn({ err: error }, 'a draft could not be kept')
  }
}
