import { Worker } from 'node:worker_threads'
import { semaphore } from '../storage/semaphore.ts'
import type { Rendered, Work } from './markdown-thread.ts'

const DEADLINE_MS = 1_000
const MEMORY_MIB = 96

const oneAtATime = semaphore(1)
let thread: Worker | null = null

/**
 * Renders in a thread of its own, so that nobody waits for somebody else's text; null when that takes longer than a second
 * or more memory than a page is worth: then the thread is ended, as nothing else ends a search that runs away.
 */
export function renderAside(work: Work): Promise<Rendered | null> {
  return oneAtATime(async () => {
    thread ??= await startThread()
    const rendered = thread && (await ask(thread, work))
    if (!rendered) await thread?.terminate()
    return rendered
  })
}

async function ask(worker: Worker, work: Work): Promise<Rendered | null> {
  const { promise, resolve } = Promise.withResolvers<Rendered | null>()
  const giveUp = () => resolve(null)
  const timer = setTimeout(giveUp, DEADLINE_MS)
  worker.once('message', resolve).once('exit', giveUp)
  worker.ref()
  worker.postMessage(work)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    worker.unref()
    worker.off('message', resolve).off('exit', giveUp)
  }
}

/** It takes a tenth of a second and some 35 MB: at the first answer, not at start. Null when there is no room for one. */
async function startThread(): Promise<Worker | null> {
  const worker = new Worker(new URL('markdown-thread.ts', import.meta.url), {
    // None of our secrets.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  })
  const { promise, resolve } = Promise.withResolvers<Worker | null>()
  worker.once('message', () => resolve(worker))
  worker.once('exit', () => {
    thread = null
    resolve(null)
  })
  // Whatever goes wrong in it ends it, and `exit` tells.
  worker.on('error', () => undefined)
  return promise
}
