import { setTimeout as delay } from 'node:timers/promises'
import type { Deps } from '../deps.ts'
import { previewOf } from '../pixels/digest.ts'
import type { ClaimedJob } from './claim-queries.ts'
import { upsertPreview } from './preview-queries.ts'

/** Shows partial images of one job, the newest only: what is overtaken is not drawn at all. */
export interface Previewer {
  offer(bytes: Buffer, step: number): void
  /** The picture itself is there. */
  drop(): void
  /** The newest, as it came, of a picture that is not there. */
  last(): Buffer | null
  settled(): Promise<void>
}

// Pages look once a second, and drawing takes a core for 20 ms: what is overtaken so soon would hardly be seen.
const REST_MS = 200

export function createPreviewer(deps: Pick<Deps, 'db' | 'log'>, job: ClaimedJob): Previewer {
  let next: { bytes: Buffer; step: number } | null = null
  let last: Buffer | null = null
  let drawing: Promise<void> | null = null
  let resting = new AbortController()

  async function draw(): Promise<void> {
    resting = new AbortController()
    await delay(REST_MS, undefined, { signal: resting.signal }).catch(() => undefined)
    while (next) {
      let step = 0
      // Nor what is overtaken while pictures keep the cores busy.
      const take = () => {
        const newest = next
        next = null
        step = newest?.step ?? 0
        return newest?.bytes ?? null
      }
      try {
        const drawn = await previewOf(take)
        if (drawn) await upsertPreview(deps.db, job, step, drawn)
      } catch (error) {
        deps.log.warn({ err: error, job: job.id }, 'a preview could not be shown')
      }
    }
    drawing = null
  }

  function overtake(): void {
    next = null
    resting.abort()
  }

  return {
    offer(bytes, step) {
      next = { bytes, step }
      last = bytes
      drawing ??= draw()
    },
    drop() {
      overtake()
      last = null
    },
    last: () => last,
    async settled() {
      overtake()
      await drawing
    },
  }
}
