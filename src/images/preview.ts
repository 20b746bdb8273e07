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

export function createPreviewer(deps: Pick<Deps, 'db' | 'log'>, job: ClaimedJob): Previewer {
  let next: { bytes: Buffer; step: number } | null = null
  let last: Buffer | null = null
  let drawing: Promise<void> | null = null

  async function draw(): Promise<void> {
    // What arrives together with its successor is overtaken before it is drawn.
    await new Promise(setImmediate)
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

  return {
    offer(bytes, step) {
      next = { bytes, step }
      last = bytes
      drawing ??= draw()
    },
    drop() {
      next = null
      last = null
    },
    last: () => last,
    async settled() {
      next = null
      await drawing
    },
  }
}
