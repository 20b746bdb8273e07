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
      accepting: async () => {
        if (isDraining()) throw new Error('shutting down')
      },
      database: () => deps.db.ping(),
      storage: () => deps.storage.ready(),
    }
    const results = await Promise.all(Object.entries(checks).map(([part, check]) => timed(part, check)))
    const ready = results.every(({ error }) => error === null)
    for (const { part, error } of results) if (error) deps.log.warn({ err: error, part }, 'not ready')
    const notes = ready ? await notesOf() : []
    const spill = works ? { spill: viewSpill(await deps.spill.status()) } : {}
    res.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'unavailable',
      ...Object.fromEntries(results.map(({ part, error }) => [part, error ? 'failed' : 'ok'])),
      ms: Object.fromEntries(results.map(({ part, ms }) => [part, ms])),
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

/** Whether a part does what it is for, and how many milliseconds it took to find out. */
async function timed(part: string, check: () => Promise<void>) {
  const started = performance.now()
  const error = await check().then(
    () => null,
    (reason: unknown) => reason ?? new Error('no reason given'),
  )
  return { part, error, ms: Math.round((performance.now() - started) * 10) / 10 }
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
