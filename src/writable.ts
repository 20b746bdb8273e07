import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Config, ConfigError } from './config.ts'

/**
 * Writes a file wherever this process is going to, and takes it away. Throws `ConfigError` with a sentence for each place
 * that does not take it: found out later, an upload or a paid picture would be lost.
 */
export function proveWritable({ dataDirectory }: Pick<Config, 'dataDirectory'>): void {
  const places: [variable: string, directory: string, purpose: string][] = [
    ['TMPDIR', tmpdir(), 'uploads pass through it'],
    ['PLAYGROUND_DATA_DIR', dataDirectory, 'what is paid for is kept there'],
  ]
  const problems = places.flatMap(([variable, directory, purpose]) => {
    const probe = path.join(directory, `.writable-${process.pid}`)
    try {
      mkdirSync(directory, { recursive: true })
      writeFileSync(probe, 'x', { flag: 'wx' })
      rmSync(probe)
      return []
    } catch (error) {
      return [`${variable} must be a directory that can be written to, ${purpose}: ${(error as Error).message}`]
    }
  })
  if (problems.length > 0) throw new ConfigError(problems)
}
