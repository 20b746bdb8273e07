import { Router } from 'express'
import type { Deps } from '../deps.ts'
import type { SpillStatus } from '../storage/spill.ts'

/** For machines: is the process alive, can it serve, what are its numbers. */
export function opsRoutes(
  deps: Pick<Deps, 'config' | 'db' | 'storage' | 'spill' | 'metrics' | 'log'>,
  isDraining: () => boolean,
): Router {
  const works = deps.config.role !== 'web'
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
    const spill = works ? { spill: viewSpill(await deps.spill.status()) } : {}
    res
      .status(ready ? 200 : 503)
      .json({ status: ready ? 'ok' : 'unavailable', ...Object.fromEntries(states), ...spill })
  })

  router.get('/metrics', async (_req, res) => {
    if (works) {
      const { pictures, bytes, limitBytes } = await deps.spill.status()
      deps.metrics.spilledPictures.set(pictures)
      deps.metrics.spilledBytes.set(bytes)
      deps.metrics.spillLimit.set(limitBytes)
    }
    res.type(deps.metrics.registry.contentType).send(await deps.metrics.registry.metrics())
  })

  return router
}

function viewSpill({ pictures, bytes, limitBytes, broken }: SpillStatus) {
  const state = broken ? 'broken' : bytes >= limitBytes ? 'full' : 'ok'
  return { state, pictures, bytes, limit_bytes: limitBytes }
}
