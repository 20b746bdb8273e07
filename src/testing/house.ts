import { createLog } from '../log.ts'
import { createSealer } from '../secrets/sealer.ts'
import type { Storage } from '../storage/storage.ts'
import type { keepHouse } from '../upkeep/hourly.ts'
import type { TestApp } from './server.ts'

/** What the hourly housekeeping needs. */
export function houseOf(
  { db, config }: Pick<TestApp, 'db' | 'config'>,
  storage: Storage,
): Parameters<typeof keepHouse>[0] {
  const sealer = createSealer(config.sessionSecrets)
  return { db, config, storage, log: createLog('silent'), sealer, stopping: new AbortController().signal }
}
