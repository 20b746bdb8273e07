import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import type { Config } from '../config.ts'

export interface Ended {
  code: number | null
  said: string
  complained: string
  /** What it told machines, with --json. */
  // biome-ignore lint/suspicious/noExplicitAny: every script has its own report
  report: any
}

/** The environment of an operator's script for this installation. */
export function environmentOf(config: Readonly<Config>, databaseUrl: string): Record<string, string> {
  return {
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
    DATABASE_URL: databaseUrl,
    SUB2API_UPSTREAM: config.upstream,
    SESSION_SECRET: config.sessionSecrets.join(','),
    PLAYGROUND_DATA_DIR: config.dataDirectory,
  }
}

/** Starts a script of `scripts/` as an operator does; `under`: a command that runs it. */
export function startScript(
  name: string,
  args: readonly string[],
  environment: Record<string, string>,
  under: readonly string[] = [],
) {
  const file = path.join(import.meta.dirname, '../../scripts', `${name}.ts`)
  const [command, ...rest] = [...under, process.execPath, file, ...args]
  const child = spawn(command!, rest, { env: { PATH: process.env.PATH, ...environment } })
  return { child, ended: endOf(child) }
}

export function runScript(name: string, args: readonly string[], environment: Record<string, string>): Promise<Ended> {
  return startScript(name, args, environment).ended
}

async function endOf(child: ChildProcess): Promise<Ended> {
  const [said, complained, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
  const line = said.trim().split('\n').at(-1) ?? ''
  return { code: code as number | null, said, complained, report: line.startsWith('{') ? JSON.parse(line) : null }
}
