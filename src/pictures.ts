import { openHouse } from './house.ts'
import { hasWork } from './images/claim-queries.ts'
import { startImageWorker } from './images/worker.ts'
import { runProcess } from './process.ts'
import { planStop, stopAll } from './stopping.ts'
import { serveAside } from './work/helper.ts'

/** Makes pictures beside a process that answers people, which starts this one and is asked by it for nothing. */
await runProcess(async (config, log) => {
  const stops: (() => Promise<void>)[] = []
  const plan = planStop(config.shutdownSeconds)
  const deps = await openHouse(config, log, config.databaseUrl!, plan, stops)
  const worker = await startImageWorker(deps)
  stops.push(() => worker.stop())
  serveAside(deps, async () => worker.isBusy() || (await hasWork(deps.db)) || (await deps.spill.list('job')).length > 0)
  log.info('pictures are made')
  return { stop: () => stopAll(stops.splice(0), plan, log) }
})
