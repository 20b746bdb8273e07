import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Config } from '../config.ts'
import type { Step as Moment } from '../work/steps.ts'
import { startProcess } from './process.ts'
import { type TestApp, until } from './server.ts'

/** Of a job; some are held by the store and the spill. */
export type Step = Moment | 'half_stored' | 'half_spilled' | 'spilled' | 'noted'
export type Order = 'go on' | 'stop' | 'leave' | 'store down' | 'store up'
export interface Report {
  job: string
  /** `refused`: the store did not take its bytes. */
  at: Step | 'refused' | 'stopping'
}

export interface SteppedWorker {
  child: ChildProcess
  /** Waits until every one of these jobs has reported this. */
  reached(jobs: readonly string[], at?: Report['at']): Promise<void>
  order(order: Order): void
  kill(): Promise<void>
  /** Waits until it has ended by itself. */
  ended(): Promise<void>
}

/** A picture worker in a process of its own; each job of `steps` stands still at its step until told to go on. */
export async function startSteppedWorker(
  app: TestApp,
  config: Partial<Config>,
  steps: Record<string, Step> = {},
  store: 'up' | 'down' = 'up',
): Promise<SteppedWorker> {
  const environment = {
    TEST_CONFIG: JSON.stringify({ ...app.config, role: 'worker', ...config }),
    TEST_STORE: store,
    TEST_STEPS: JSON.stringify(steps),
  }
  const reports: Report[] = []
  const { child } = await startProcess(app, environment, 'stepped-worker.ts', report => reports.push(report as Report))
  const exited = once(child, 'exit')
  return {
    child,
    async reached(jobs, at) {
      const missing = () => jobs.filter(job => !reports.some(each => each.job === job && (!at || each.at === at)))
      await until(`${at ?? 'the steps'} of every job`, async () => missing().length === 0)
    },
    order: order => void child.send(order),
    ended: async () => void (await exited),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
