import { once } from 'node:events'
import type { Config } from '../config.ts'
import { startProcess } from './process.ts'
import { type TestApp, until } from './server.ts'

export interface SteppedChat {
  child: Awaited<ReturnType<typeof startProcess>>['child']
  reached(...steps: string[]): Promise<void>
  order(order: 'go on' | 'stop' | 'store up'): void
  kill(): Promise<void>
}

/** A worker in a process of its own whose answers stand still at `steps`, and whose store may be down. */
export async function startSteppedChat(
  app: TestApp,
  steps: readonly string[] = [],
  config: Partial<Config> = {},
  store: 'up' | 'down' = 'up',
): Promise<SteppedChat> {
  const reached = new Set<string>()
  const environment = {
    TEST_CONFIG: JSON.stringify({ ...app.config, role: 'worker', ...config }),
    TEST_STEPS: JSON.stringify(steps),
    TEST_STORE: store,
  }
  const { child } = await startProcess(app, environment, 'stepped-chat-worker.ts', step => reached.add(String(step)))
  const exited = once(child, 'exit')
  return {
    child,
    reached: (...wanted) =>
      until(`${wanted.join(', ')}`, async () => wanted.every(step => reached.has(step))).then(() => undefined),
    order: order => void child.send(order),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
