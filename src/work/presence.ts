import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import type { Deps } from '../deps.ts'
import { deletePresence, upsertPresence } from './presence-queries.ts'

const EVERY_MS = 30_000

/** Says every half minute that this process is there, until the returned function is called. */
export function startPresence(deps: Pick<Deps, 'db' | 'config' | 'log'>): () => Promise<void> {
  const { version } = JSON.parse(readFileSync(path.join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    version: string
  }
  const me = { id: randomUUID(), role: deps.config.role, version, host: hostname(), startedAt: new Date() }
  let saying: Promise<void> = Promise.resolve()
  const say = () => {
    saying = upsertPresence(deps.db, me).catch(error =>
      deps.log.info({ err: error }, 'this process could not say that it is there'),
    )
  }
  say()
  const timer = setInterval(say, EVERY_MS)
  return async () => {
    clearInterval(timer)
    await saying
    await deletePresence(deps.db, me.id).catch(() => undefined)
  }
}
