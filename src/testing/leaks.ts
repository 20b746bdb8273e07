import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { MockGateway } from '../mock/server.ts'
import type { TestDatabase } from './database.ts'

/** Something that came out of the app, and where. */
export interface Emitted {
  what: string
  text: string
}

const LONG_ENOUGH_TO_BE_SECRET = 16
const bearerToken = /\bssh_[\w-]{43}\b/

/**
 * Looks for the gateway's secrets, as text or as the hexadecimal digits of a `bytea`, and for bearer tokens of SSH keys,
 * which only the answer that gives one out may show.
 */
export function assertNoSecrets(mock: MockGateway, emitted: readonly Emitted[]): void {
  const secrets = mock.control.secrets().filter(secret => secret.length >= LONG_ENOUGH_TO_BE_SECRET)
  const forms = secrets.flatMap(secret => [secret, Buffer.from(secret).toString('hex')])
  for (const { what, text } of emitted) {
    const leaked = forms.some(secret => text.includes(secret))
    assert.ok(!leaked, `a secret of the gateway came out in: ${what}`)
    assert.ok(what.endsWith('/ssh/login') || !bearerToken.test(text), `a bearer token came out in: ${what}`)
  }
}

/** Every row of every table, queue and sessions included, as text. */
export async function rowsOf(db: TestDatabase): Promise<Emitted[]> {
  const tables = await db.pool.query<string[]>({
    text: `select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('public', 'pgboss')`,
    rowMode: 'array',
  })
  const rows: Emitted[] = []
  for (const [table] of tables.rows) {
    const result = await db.pool.query<[string]>({ text: `select t::text from ${table} t`, rowMode: 'array' })
    for (const [text] of result.rows) rows.push({ what: `table ${table}`, text })
  }
  return rows
}

/** The snapshots of conversations. */
export function snapshotsIn(dataDirectory: string): Emitted[] {
  return globSync('assets/*/*.conversation', { cwd: dataDirectory }).map(name => ({
    what: name,
    text: readFileSync(path.join(dataDirectory, name), 'utf8'),
  }))
}

const mocks: string[] = []
const fetched: Emitted[] = []
const plainFetch = globalThis.fetch

/** From now on what `fetch` answers is remembered: from any server but the mock gateway, which deals in secrets. */
export function hearFetches(mockUrl: string): Emitted[] {
  mocks.push(mockUrl)
  globalThis.fetch = fetchAloud
  return fetched
}

async function fetchAloud(...asked: Parameters<typeof fetch>): Promise<Response> {
  const response = await plainFetch(...asked)
  if (!mocks.some(mock => response.url.startsWith(mock))) void remember(response.clone())
  return response
}

/** As it comes: an event stream ends when the test does. */
async function remember(response: Response): Promise<void> {
  const heard = { what: `fetch ${response.url}`, text: JSON.stringify([...response.headers]) }
  fetched.push(heard)
  if (!response.body || !/text|json/.test(response.headers.get('content-type') ?? '')) return
  try {
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) heard.text += chunk
  } catch {
    // Cut off: what came is enough.
  }
}
