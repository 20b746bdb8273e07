import type { Reading } from './read.ts'
import { type Variable, variables } from './variables.ts'

/** A variable as it was understood. */
interface Line {
  name: string
  /** Hidden where it is secret; `–`: none. */
  value: string
  /** In words. */
  source: string
}

/** Every variable, in the order of the tables. */
export function describeSettings({ values, settings, from }: Reading): Line[] {
  return variables().map(variable => {
    const { name } = variable
    const origin = from[name]
    const source = origin ? sourceOf(name, origin) : 'default'
    return { name, value: shown(variable, settings?.[name as keyof typeof settings] ?? values[name]), source }
  })
}

function shown({ name, secret, fallback, unset }: Variable, value: unknown): string {
  if (value === undefined) return fallback ?? (unset ? `(${unset[0]})` : '–')
  if (name === 'DATABASE_URL') return withoutCredentials(value as string)
  if (secret) return '(hidden)'
  return Array.isArray(value) ? value.join(',') : `${value as string}`
}

function sourceOf(name: string, origin: NonNullable<Reading['from'][string]>): string {
  const named = origin.name === name ? '' : ` (${origin.name})`
  return origin.file ? `${origin.file}${named}` : `environment${named}`
}

/** Which database it is must be seen; what opens it must not. */
function withoutCredentials(address: string): string {
  const url = URL.parse(address)
  if (!url) return '(hidden)'
  return `${url.protocol}//${url.username || url.password ? '(hidden)@' : ''}${url.host}${url.pathname}`
}
