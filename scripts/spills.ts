// Usage: npm run spills [-- --release <worker id> [--dry-run]], in the environment of the app
// Lists the workers on whose disks paid pictures wait for the store. --release gives up on one that will not come back:
// its jobs end, as charged and lost, and the pictures of its answers are no longer waited for, unless its data directory
// turns up again after all.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { listDrawnKeepers, releaseDrawn } from '../src/chat/answer/drawn-queries.ts'
import { openDatabase } from '../src/db/db.ts'
import { listKeepers, releaseSpill } from '../src/images/spill-queries.ts'
import { startEmbeddedPostgres } from '../src/postgres/embedded.ts'
import { ownConfig } from './own-config.ts'

const options = readOptions()
const config = ownConfig()
const embedded = config.databaseUrl
  ? null
  : await startEmbeddedPostgres({ directory: path.join(config.dataDirectory, 'postgres') })
const db = openDatabase({ url: config.databaseUrl ?? embedded!.url, max: 2, applicationName: 'spills' })
try {
  const keepers = await listKeepers(db)
  const chosen = options.release ? keepers.filter(({ owner }) => owner === options.release) : keepers
  const drawn = (await listDrawnKeepers(db)).filter(({ owner }) => !options.release || owner === options.release)
  if (chosen.length === 0 && drawn.length === 0) console.log('no job waits for such a worker')
  for (const { owner, jobs, oldest, heardUntil } of chosen) {
    const heard = heardUntil > new Date() ? 'answers' : `not heard of since ${heardUntil.toISOString()}`
    console.log(`${owner}  ${jobs} jobs since ${oldest.toISOString()}, ${heard}`)
    if (!options.release) continue
    if (heardUntil > new Date()) console.log('left alone: it answers, and files them itself when the store is back')
    else if (options['dry-run']) console.log(`would release ${jobs} jobs`)
    else console.log(`released ${await releaseSpill(db, owner)} jobs`)
  }
  for (const { owner, pictures, oldest, heardAt, isSilent } of drawn) {
    const heard = isSilent ? `not heard of since ${heardAt.toISOString()}` : 'answers'
    console.log(`${owner}  ${pictures} pictures of answers since ${oldest.toISOString()}, ${heard}`)
    if (!options.release) continue
    if (!isSilent) console.log('left alone: it answers, and files them itself when the store is back')
    else if (options['dry-run']) console.log(`would release ${pictures} pictures of answers`)
    else console.log(`released ${await releaseDrawn(db, owner)} pictures of answers`)
  }
} finally {
  await db.close()
  await embedded?.stop()
}

function readOptions() {
  try {
    return parseArgs({ options: { release: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } } })
      .values
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: npm run spills [-- --release <worker id> [--dry-run]]`)
    process.exit(2)
  }
}
