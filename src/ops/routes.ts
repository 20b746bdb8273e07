import { createHash, timingSafeEqual } from 'node:crypto'
import { type Request, Router } from 'express'
import type { Config } from '../config.ts'
import type { Deps } from '../deps.ts'
import type { SpillStatus } from '../storage/spill.ts'
import { isWithin } from '../web/network.ts'

/** For machines: is the process alive, can it serve, what are its numbers. */
export function opsRoutes(
  deps: Pick<Deps, 'config' | 'db' | 'storage' | 'spill' | 'metrics' | 'log'>,
  isDraining: () => boolean,
  /** What an operator should know though all is well. */
  notesOf: () => Promise<string[]>,
): Router {
  const works = deps.config.role !== 'web'
  const mayRead = readersOf(deps.config.metrics)
  const router = Router()

  router.get('/health', (_req, res) => {
    res.json({ status: 'ok' })
  })

  router.get('/ready', async (_req, res) => {
    const checks = {
      accepting: isDraining() ? Promise.reject(new Error('shutting down')) : Promise.resolve(),
      database: deps.db.ping(),
      storage: deps.storage.ready(),
    }
    const results = await Promise.allSettled(Object.values(checks))
    const states = Object.keys(checks).map((name, index) => [
      name,
      results[index]!.status === 'fulfilled' ? 'ok' : 'failed',
    ])
    const ready = results.every(result => result.status === 'fulfilled')
    for (const result of results) if (result.status === 'rejected') deps.log.warn({ err: result.reason }, 'not ready')
    const notes = ready ? await notesOf() : []
    const spill = works ? { spill: viewSpill(await deps.spill.status()) } : {}
    res.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'unavailable',
      ...Object.fromEntries(states),
      ...spill,
      ...(notes.length > 0 && { notes }),
    })
  })

  router.get('/metrics', async (req, res, next) => {
    if (!mayRead(req)) return next()
    if (works) {
      const { pictures, bytes, limitBytes } = await deps.spill.status()
      deps.metrics.spilledPictures.set(pictures)
      deps.metrics.spilledBytes.set(bytes)
      deps.metrics.spillLimit.set(limitBytes)
    }
    res.type(deps.metrics.contentType).send(await deps.metrics.text())
  })

  return router
}

/**
 * The address is that of the connection: what a header says of it anybody can write. Behind a proxy that is the proxy's,
 * so one on this machine has to keep `/metrics` to itself.
 */
function readersOf({ networks, token }: Config['metrics']): (req: Request) => boolean {
  const isNear = isWithin(networks)
  const expected = token === null ? null : digestOf(token)
  return req => {
    if (isNear(req.socket.remoteAddress ?? '')) return true
    const [, given] = /^Bearer +(\S+)$/i.exec(req.get('Authorization') ?? '') ?? []
    // Digests have one length, as the comparison in constant time wants it.
    return expected !== null && given !== undefined && timingSafeEqual(digestOf(given), expected)
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function viewSpill({ pictures, bytes, limitBytes, broken }: SpillStatus) {
  const state = broken ? 'broken' : bytes >= limitBytes ? 'full' : 'ok'
  return { state, pictures, bytes, limit_bytes: limitBytes }
}
