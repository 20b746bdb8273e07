import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { inherited } from '../config.ts'
import type { Deps } from '../deps.ts'

const IDLE_MS = 60_000
const LOOK_MS = 5_000
const LONGEST_WAIT_MS = 30_000
const ANSWER_MS = 1_000
/** Of 19: what is left of the cores when everybody else has had theirs. */
export const NICENESS = 10
const ASK = 'metrics'

interface Helped {
  /** What wakes it, see `WAKES`. */
  kind: string
  /** The file that it runs. */
  entry: string
  /** What differs from the environment of this process. */
  environment: Record<string, string>
  /** Whether there is anything to do for it. */
  isWanted(): Promise<boolean>
}

/**
 * Work that takes much CPU, in a process of its own and of low priority: begun when there is something to do, gone when
 * there was nothing for a minute, and begun again, after a while, when it fails. What it does is written in the database,
 * as by any other worker.
 */
export function startHelper(deps: Deps, helped: Helped): { stop(): Promise<void> } {
  let child: ChildProcess | null = null
  let stopping = false
  let wait = 0
  let notBefore = 0
  const metrics = deps.metrics.others(() => askForMetrics(child))

  async function look(): Promise<void> {
    if (child || stopping || performance.now() < notBefore) return
    try {
      if ((await helped.isWanted()) && !child && !stopping) child = begin()
    } catch (error) {
      deps.log.warn({ err: error, work: helped.kind }, 'nobody knows whether there is work for a helper')
    }
  }

  function begin(): ChildProcess {
    const begun = fork(helped.entry, {
      // From its first thread on: a priority that is set later is that of one thread.
      execPath: 'nice',
      execArgv: ['-n', String(NICENESS), process.execPath, ...process.execArgv],
      env: inherited(helped.environment),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    begun.on('message', message => metrics.keep(message))
    begun.on('error', error => deps.log.error({ err: error, work: helped.kind }, 'a helper could not be started'))
    begun.once('close', (code, signal) => {
      child = null
      void metrics.settle()
      if (code === 0) wait = 0
      else {
        wait = Math.min(LONGEST_WAIT_MS, Math.max(1_000, wait * 2))
        notBefore = performance.now() + wait
        if (!stopping) deps.log.error({ code, signal, work: helped.kind }, 'a helper has ended')
      }
      void look()
    })
    return begun
  }

  const timer = setInterval(() => void look(), deps.config.worker.tickSeconds * 1000)
  const unheard = deps.listener.on(helped.kind, () => void look())
  void look()
  return {
    async stop() {
      stopping = true
      unheard()
      clearInterval(timer)
      if (!child) return
      const gone = once(child, 'close')
      child.kill('SIGTERM')
      await gone
    },
  }
}

/** Null in time when it is busy. */
async function askForMetrics(child: ChildProcess | null): Promise<void> {
  if (!child?.connected) return
  const answered = once(child, 'message', { signal: AbortSignal.timeout(ANSWER_MS) })
  child.send(ASK, () => undefined)
  await answered.catch(() => undefined)
}

/** In the helper: tells its numbers when asked, and ends the process when it has not been busy for a minute, or is alone. */
export function serveAside(deps: Deps, isBusy: () => Promise<boolean>): void {
  const tell = (then?: () => void) => {
    void deps.metrics.own().then(told => process.send?.(told, undefined, undefined, () => then?.()))
  }
  process.on('message', message => {
    if (message === ASK) tell()
  })
  let busyAt = performance.now()
  async function look(): Promise<void> {
    if (await isBusy().catch(() => true)) busyAt = performance.now()
    if (process.connected && performance.now() - busyAt < IDLE_MS) return
    clearInterval(timer)
    if (process.connected) tell(() => process.kill(process.pid, 'SIGTERM'))
    else process.kill(process.pid, 'SIGTERM')
  }

  const timer = setInterval(() => void look(), LOOK_MS)
}
