import type { Config } from '../config.ts'
import { startDepartureWorker } from '../departures/worker.ts'
import { startExportWorker } from '../exports/worker.ts'
import { startShareWorker } from '../gallery/long-share.ts'
import { openHouse } from '../house.ts'
import { startImportWorker } from '../imports/worker.ts'
import { startChangeWorker } from '../library/long-change.ts'
import { createLog } from '../log.ts'
import { planStop } from '../stopping.ts'

// A worker process that dies, as by kill -9, where it first comes to a step.
const config = JSON.parse(process.env.TEST_CONFIG!) as Config
const log = createLog('info')
const deps = {
  ...(await openHouse(config, log, config.databaseUrl!, planStop(0), [])),
  async at(step: string) {
    if (step !== process.env.TEST_DIES_AT) return
    process.kill(process.pid, 'SIGKILL')
    await new Promise(() => {})
  },
}
log.info({ url: 'http://nowhere' }, 'ready')
const workers = {
  import: startImportWorker,
  export: startExportWorker,
  change: startChangeWorker,
  share: startShareWorker,
  departure: startDepartureWorker,
}
await workers[process.env.TEST_KIND as keyof typeof workers](deps)
