import { readFileSync } from 'node:fs'
import { variables } from './variables.ts'

/** Values as they are written, by the names of variables; empty ones count as absent. */
export type Given = Readonly<Record<string, string | undefined>>

/** The variable that an operator has to look at, and the file that it is in or that it names; null: the environment. */
export interface Origin {
  name: string
  file: string | null
}

export interface Gathered {
  values: Record<string, string>
  /** Also of secrets that were asked for and cannot be read. */
  from: Record<string, Origin>
  problems: string[]
  warnings: string[]
}

/** What the environment says and, where it is silent, a file of variables; older names and files of secrets resolved. */
export function gather(environment: Given, settings: { file: string; values: Given } | null = null): Gathered {
  const known = variables()
  const names = new Set(known.flatMap(({ name, alias }) => [name, alias]))
  const { values, from, problems, warnings }: Gathered = { values: {}, from: {}, problems: [], warnings: [] }

  const told = present(environment)
  for (const [name, value] of told) take(value, { name, file: null })
  for (const [name, value] of present(settings?.values ?? {})) {
    if (!told.some(([other]) => subjectOf(other) === subjectOf(name))) take(value, { name, file: settings!.file })
  }
  for (const { name, alias } of known) if (alias) resolveAlias(name, alias)
  for (const { name, secret } of known) if (secret) readSecret(name)
  for (const name of Object.keys(values).filter(isLikeOurs)) {
    if (!names.has(name)) warnings.push(`${name} is ignored: there is no such variable`)
  }
  return { values, from, problems, warnings }

  function take(value: string, origin: Origin): void {
    const { name } = origin
    if (!/^(PLAYGROUND_)?PORT$/.test(name) || !value.includes('://')) give(name, value, origin)
    else warnings.push(`${name} is ignored: it is no port, but what Kubernetes tells of a service of that name`)
  }

  function give(name: string, value: string, origin: Origin): void {
    values[name] = value
    from[name] = origin
  }

  function resolveAlias(name: string, alias: string): void {
    const value = values[alias]
    if (value === undefined) return
    if (values[name] === undefined) give(name, value, from[alias]!)
    else if (values[name] !== value) warnings.push(`${alias} is ignored: ${name} says something else, and wins`)
  }

  function readSecret(name: string): void {
    const variable = `${name}_FILE`
    const file = values[variable]
    if (file === undefined) return
    delete values[variable]
    if (values[name] !== undefined) return void problems.push(`${name} and ${variable} must not both be given`)
    from[name] = { name: variable, file }
    try {
      const text = readFileSync(file, 'utf8').replace(/(\r?\n)+$/, '')
      if (text.trim()) values[name] = text
      else problems.push(`${variable} must name a file with something in it: ${file} is empty`)
    } catch (error) {
      problems.push(`${variable} must name a file that can be read: ${(error as Error).message}`)
    }
  }
}

function present(given: Given): [string, string][] {
  return Object.entries(given).filter((entry): entry is [string, string] => Boolean(entry[1]?.trim()))
}

/** What a variable is about, whether it says it or names a file that does. */
function subjectOf(name: string): string {
  return name.replace(/_FILE$/, '')
}

/** But for what Kubernetes tells of a service named `playground`. */
function isLikeOurs(name: string): boolean {
  return /^(PLAYGROUND|R2)_/.test(name) && !/_SERVICE_|_PORT_/.test(name) && name !== 'PLAYGROUND_MOCK_GUIDE'
}
