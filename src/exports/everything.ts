import * as account from '../account/mine.ts'
import * as agents from '../agents/mine.ts'
import * as chat from '../chat/mine.ts'
import type { Deps } from '../deps.ts'
import * as gallery from '../gallery/mine.ts'
import * as images from '../images/mine.ts'
import * as imports from '../imports/mine.ts'
import { listAllTokens } from '../library/file-queries.ts'
import { newToken } from '../library/keep.ts'
import * as library from '../library/mine.ts'
import { insertNamed, keepNamed, nameUnwanted } from '../library/named-queries.ts'
import * as operators from '../operators/mine.ts'
import * as prompts from '../prompts/mine.ts'
import * as session from '../session/mine.ts'
import * as spend from '../spend/mine.ts'
import type { Mine, Paper, PaperWords } from '../work/mine.ts'
import { addPaper, type ClaimedExport, deletePapers, listFilesOf, listPaperObjects } from './queries.ts'
import { sumsOfBytes } from './sums.ts'

const rooms = [session, account, spend, library, images, prompts, chat, gallery, agents, imports, operators]

const ownTables: Mine['tables'] = {
  exports: 'this one and those before it, of a day',
  export_files: 'this one and those before it, of a day',
  news: 'what is about to follow',
  departures: 'who is leaving takes nothing along any more',
}

/** Every table with rows of a person: null where an export of everything gives them, or else why not. */
export function tablesOfAPerson(): Mine['tables'] {
  return Object.assign({}, ownTables, ...rooms.map(({ mine }) => mine.tables)) as Mine['tables']
}

/** Writes what is a person's beside the pictures into an export of theirs; what an earlier worker wrote of it goes. */
export async function writePapers(
  deps: Pick<Deps, 'db' | 'storage' | 'at'>,
  made: ClaimedExport,
  signal: AbortSignal,
): Promise<void> {
  await deps.db.transaction(async tx => nameUnwanted(tx, await deletePapers(tx, made)))
  const words = await wordsOf(deps, made)
  const names = new Set<string>()
  for await (const { name, content } of papersOf(deps, made.userId, words)) {
    if (signal.aborted) return
    if (names.has(name)) throw new Error(`two papers are called ${name}`)
    names.add(name)
    const bytes = Buffer.from(content)
    const object = `${newToken()}.paper`
    // It stays named, and is swept with the orphans when its export is no more.
    await insertNamed(deps.db, object)
    await deps.storage.put(object, bytes, { contentType: 'application/octet-stream', withoutCopies: true })
    await deps.at?.('stored', made.id)
    if (!(await addPaper(deps.db, made, { object, name, ...sumsOfBytes(bytes) }))) return
  }
  // Writing them may have taken a while: they are there for as long as the export is.
  await keepNamed(deps.db, await listPaperObjects(deps.db, made.id))
}

async function* papersOf(
  deps: Pick<Deps, 'db'>,
  userId: number,
  words: PaperWords & { tokens: ReadonlySet<string> },
): AsyncGenerator<Paper & { content: string }> {
  // A token shows its picture to whoever knows it: it stays here.
  const replacer = (_key: string, value: unknown) =>
    typeof value === 'string' && words.tokens.has(value) ? words.fileOf(value) : value
  for (const { mine } of rooms) {
    if (!mine.papers) continue
    for await (const { name, content } of mine.papers(deps, userId, words)) {
      yield { name, content: typeof content === 'string' ? content : `${JSON.stringify(content, replacer, 2)}\n` }
    }
  }
}

async function wordsOf(
  { db }: Pick<Deps, 'db'>,
  made: ClaimedExport,
): Promise<PaperWords & { tokens: ReadonlySet<string> }> {
  const files = await listFilesOf(db, made.id)
  const places = new Map(files.map(({ object, name }) => [object.replace(/\.original$/, ''), name]))
  return {
    language: made.language,
    fileOf: token => places.get(token) ?? null,
    tokens: new Set(await listAllTokens(db, made.userId)),
  }
}
