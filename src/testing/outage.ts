import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { TestApp } from './server.ts'

/** A folder cannot be written to while a file is in its place; the function returned puts it back. */
export async function replaceByFile(folder: string): Promise<() => Promise<void>> {
  const aside = `${folder}-away`
  await rename(folder, aside)
  await writeFile(folder, 'a file where a folder should be')
  return async () => {
    if (!existsSync(aside)) return
    await rm(folder, { force: true })
    await rename(aside, folder)
  }
}

/** Of a folder and those in it. */
export async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).map(entry => path.join(entry.parentPath, entry.name))
}

/** What the operator's script says of the spills that are waited for. */
export async function spills(app: TestApp, ...options: string[]): Promise<string> {
  const script = path.join(import.meta.dirname, '../../scripts/spills.ts')
  const env = {
    DATABASE_URL: app.db.url,
    SUB2API_UPSTREAM: app.mock.url,
    SESSION_SECRET: app.config.sessionSecrets.join(','),
    PLAYGROUND_DATA_DIR: app.config.dataDirectory,
  }
  return (await promisify(execFile)(process.execPath, [script, ...options], { env })).stdout
}
