import { Worker } from 'node:worker_threads'
import { byTurns } from './by-turns.ts'
import type { Rendered, Work } from './markdown-thread.ts'

const MEMORY_MIB = 96
const IDLE_MS = 60_000
/** A thread that gets so little of a machine is not waited for. */
const MOST_STARVED = 10
const LEAST_MS = 20

/**
 * Renders in a thread of its own, so that nobody waits for somebody else's text; null when that takes too long or more
 * memory than a page is worth: then the thread is ended, as nothing else ends a search that runs away.
 */
export type Aside = (userId: number, work: Work) => Promise<Rendered | null>

/** For every text first: one that is made to be slow is told from the others by this, at the cost of a blink. */
export const renderAside = aside(250)
/** For those that are slow: they wait for each other alone. */
export const renderPatiently = aside(1_000)

function aside(deadlineMs: number): Aside {
  const inTurn = byTurns()
  let thread: Worker | null = null
  let idle: NodeJS.Timeout | undefined

  return (userId, work) =>
    inTurn(userId, async () => {
      clearTimeout(idle)
      if (!thread) {
        const started = await startThread()
        started?.once('exit', () => {
          if (thread === started) thread = null
        })
        thread = started
      }
      const rendered = thread && (await ask(thread, work, deadlineMs))
      if (!rendered) await thread?.terminate()
      idle = setTimeout(endIdle, IDLE_MS).unref()
      return rendered
    })

  function endIdle(): void {
    const idler = thread
    // Whoever comes while it ends gets another.
    thread = null
    void idler?.terminate()
  }
}

/** The deadline is of the thread's own time: on a busy machine no text is slow for that. */
async function ask(worker: Worker, work: Work, deadlineMs: number): Promise<Rendered | null> {
  const before = await worker.cpuUsage().catch(() => null)
  if (!before) return null
  const { promise, resolve } = Promise.withResolvers<Rendered | null>()
  const giveUp = () => resolve(null)
  const lastCall = setTimeout(giveUp, deadlineMs * MOST_STARVED)
  let timer = setTimeout(check, deadlineMs)
  worker.once('message', resolve).once('exit', giveUp)
  worker.ref()
  worker.postMessage(work)
  try {
    return await promise
  } finally {
    clearTimeout(lastCall)
    clearTimeout(timer)
    worker.unref()
    worker.off('message', resolve).off('exit', giveUp)
  }

  function check(): void {
    worker.cpuUsage(before!).then(({ user, system }) => {
      const leftMs = deadlineMs - (user + system) / 1000
      if (leftMs <= 0) giveUp()
      else timer = setTimeout(check, Math.max(leftMs, LEAST_MS))
    }, giveUp)
  }
}

/**
 * It takes a tenth of a second and some 35 MB: at the first answer, not at start, and not when there was none for a minute.
 * Null when there is no room for one.
 */
async function startThread(): Promise<Worker | null> {
  const worker = new Worker(new URL('markdown-thread.ts', import.meta.url), {
    // None of our secrets.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  })
  const { promise, resolve } = Promise.withResolvers<Worker | null>()
  worker.once('message', () => resolve(worker))
  worker.once('exit', () => resolve(null))
  // Whatever goes wrong in it ends it, and `exit` tells.
  worker.on('error', () => undefined)
  return promise
}
