import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { atEnd } from './database.ts'
import type { TestApp } from './server.ts'

const alive = new Set<() => Promise<void>>()

/** After a test that may have failed: what it started does not work on the next one's jobs. */
export async function killProcesses(): Promise<void> {
  await Promise.all([...alive].map(kill => kill()))
}

/** A process of its own with the app's database, gateway and secrets; killed after the file's last test. */
export async function startProcess(
  app: TestApp,
  environment: Record<string, string> = {},
  entry = '../main.ts',
  heard: (message: unknown) => void = () => {},
): Promise<{ url: string; child: ChildProcess }> {
  const { config } = app
  const child = spawn(process.execPath, [path.join(import.meta.dirname, entry)], {
    env: {
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOST: '127.0.0.1',
      PORT: '0',
      DATABASE_URL: app.db.url,
      SUB2API_UPSTREAM: config.upstream,
      SESSION_SECRET: config.sessionSecrets.join(','),
      PLAYGROUND_DATA_DIR: config.dataDirectory,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  child.on('message', heard)
  const exited = once(child, 'exit')
  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await exited
    alive.delete(kill)
  }
  alive.add(kill)
  atEnd(kill)
  for await (const line of createInterface(child.stdout!)) {
    app.logs.push(line)
    const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
    if (msg !== 'ready' || !url) continue
    child.stdout!.on('data', (chunk: Buffer) => app.logs.push(...chunk.toString('utf8').split('\n').filter(Boolean)))
    child.stdout!.resume()
    return { url, child }
  }
  throw new Error('the process ended before it was ready')
}
