import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import { GatewayError, PanelError } from '../gateway/errors.ts'

/** How long what the gateway said of a key and its price is taken for true. */
export const FRESH_MS = 5 * 60_000
/** How long whoever is about to pay waits for it to be read again. */
const PATIENCE_MS = 2_000
const AFTER_FAILURE_MS = 30_000

const questions = new Map<string, Promise<unknown>>()

/**
 * Many who ask the same at once are one question, and a gateway that could not answer is left alone for a while. Null
 * when it could not, or takes longer than two seconds: its answer is of use to whoever asks next.
 */
export function askPatiently<T>({ log }: Pick<Deps, 'log'>, name: string, ask: () => Promise<T>): Promise<T | null> {
  const underWay = questions.get(name) as Promise<T | null> | undefined
  if (underWay !== undefined) return underWay
  const forget = () => questions.delete(name)
  const question = ask().then(
    answer => {
      forget()
      return answer
    },
    error => {
      if (!(error instanceof GatewayError || error instanceof PanelError)) {
        forget()
        throw error
      }
      setTimeout(forget, AFTER_FAILURE_MS).unref()
      log.info({ err: error, question: name }, 'what a key costs could not be read again')
      return null
    },
  )
  // It may fail when nobody waits any more.
  question.catch(() => undefined)
  const patient = Promise.race([question, delay(PATIENCE_MS, null, { ref: false })])
  questions.set(name, patient)
  return patient
}
