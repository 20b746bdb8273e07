// Usage: node scripts/import-conversations.ts [--user ID] [--dry-run] FILE_OR_FOLDER …
// Reads conversations back from files: those that the store keeps beside the pictures (*.conversation), those that
// earlier versions kept under PLAYGROUND_DATA_DIR/conversations/<user id>/, and those that people exported. Whose they are
// is said in the file, or by the name of its folder, unless --user says otherwise; that person must have signed in here
// before. What is there already is left as it is.
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { importSnapshot } from '../src/chat/archive/import.ts'
import { Snapshot } from '../src/chat/archive/snapshot.ts'
import { loadConfig } from '../src/config.ts'
import { openDatabase } from '../src/db/db.ts'
import { migrate } from '../src/db/migrate.ts'
import { startEmbeddedPostgres } from '../src/postgres/embedded.ts'

const { values, positionals } = parseArgs({
  options: { user: { type: 'string' }, 'dry-run': { type: 'boolean', default: false } },
  allowPositionals: true,
})
if (positionals.length === 0) {
  console.error('Usage: node scripts/import-conversations.ts [--user ID] [--dry-run] FILE_OR_FOLDER …')
  process.exit(2)
}

const config = loadConfig()
const embedded = config.databaseUrl
  ? null
  : await startEmbeddedPostgres({ directory: path.join(config.dataDirectory, 'postgres') })
const db = openDatabase({ url: config.databaseUrl ?? embedded!.url, max: 2, applicationName: 'import' })
let failed = 0
try {
  await migrate(db)
  for (const file of (await Promise.all(positionals.map(filesIn))).flat()) {
    try {
      const { title, messages, userId: owner } = Snapshot.parse(JSON.parse(await readFile(file, 'utf8')))
      const userId = Number(values.user ?? owner ?? path.basename(path.dirname(path.resolve(file))))
      if (!Number.isSafeInteger(userId) || userId < 1) throw new Error('whose is it? Say --user ID')
      if (values['dry-run']) {
        console.log(`would import ${file}: “${title}”, ${messages.length} messages, for user ${userId}`)
      } else console.log(`${(await importSnapshot({ db }, userId, file)) ? 'imported' : 'there already'} ${file}`)
    } catch (error) {
      failed++
      console.error(`not imported ${file}: ${(error as Error).message.split('\n')[0]}`)
    }
  }
} finally {
  await db.close()
  await embedded?.stop()
}
process.exitCode = failed > 0 ? 1 : 0

async function filesIn(place: string): Promise<string[]> {
  if (!(await stat(place)).isDirectory()) return [place]
  const entries = await readdir(place, { recursive: true })
  return entries.filter(entry => /\.(json|conversation)$/.test(entry)).map(entry => path.join(place, entry))
}
