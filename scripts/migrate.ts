// Usage: npm run migrate [-- --dry-run], in the environment of the app
// Applies the files of migrations/ that the database has not had; --dry-run only names them. The app does the same
// when it starts: this is for those who want it done before.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openDatabase } from '../src/db/db.ts'
import { migrate, pendingMigrations } from '../src/db/migrate.ts'
import { startEmbeddedPostgres } from '../src/postgres/embedded.ts'
import { ownConfig } from './own-config.ts'

const dryRun = wantsDryRun()
const config = ownConfig()
const embedded = config.databaseUrl
  ? null
  : await startEmbeddedPostgres({ directory: path.join(config.dataDirectory, 'postgres') })
const db = openDatabase({ url: config.databaseUrl ?? embedded!.url, max: 2, applicationName: 'migrate' })
try {
  const names = dryRun ? await pendingMigrations(db) : await migrate(db)
  for (const name of names) console.log(`${dryRun ? 'would apply' : 'applied'} ${name}`)
  if (names.length === 0) console.log('nothing to do: the schema is up to date')
} finally {
  await db.close()
  await embedded?.stop()
}

function wantsDryRun(): boolean {
  try {
    return parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } }).values['dry-run']
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: npm run migrate [-- --dry-run]`)
    process.exit(2)
  }
}
