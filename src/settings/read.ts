import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { z } from 'zod'
import { problemsBetween, warningsBetween } from './combinations.ts'
import { type Gathered, type Given, gather } from './sources.ts'
import { Environment } from './variables.ts'

export type Settings = z.infer<typeof Environment>

/** `settings`: null with at least one problem, a sentence each. `warnings`: what runs, but hardly as it is meant. */
export interface Reading extends Gathered {
  settings: Settings | null
}

const FILE = '.env'

/** Reads what an operator has set and changes nothing. Without `environment`: that of this process, and the file `.env`. */
export function readSettings(environment?: Given): Reading {
  const { values, from, problems, warnings } = environment
    ? gather(environment)
    : gather(process.env, existsSync(FILE) ? { file: FILE, values: parseEnv(readFileSync(FILE, 'utf8')) } : null)
  const parsed = Environment.safeParse(values)
  for (const { path, code, input, message } of parsed.error?.issues ?? []) {
    const name = String(path[0])
    if (code !== 'invalid_type' || input !== undefined) problems.push(`${from[name]?.name ?? name} ${message}`)
    else if (!from[name]) problems.push(`${name} is missing: ${missing[name] ?? 'it is required'}`)
  }
  problems.push(...problemsBetween(values, from))
  warnings.push(...warningsBetween(values))
  return { settings: problems.length === 0 && parsed.success ? parsed.data : null, values, from, problems, warnings }
}

const missing: Record<string, string> = {
  SUB2API_UPSTREAM: 'the address of your sub2api gateway, e.g. http://127.0.0.1:8080',
}
