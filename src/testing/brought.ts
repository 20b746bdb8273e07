import { createHash } from 'node:crypto'
import type { Person } from './people.ts'
import { type TestApp, until } from './server.ts'
import { zipOf } from './zip.ts'

export interface Brought {
  id: string
  token: string
}

/** Brings pictures into somebody's library bit for bit, as an export of another place does; by their names. */
export async function bring(
  app: TestApp,
  person: Person,
  files: Record<string, Buffer>,
): Promise<Record<string, Brought>> {
  const pictures = Object.entries(files).map(([file, bytes]) => ({
    file,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    origin: 'made',
    prompt: file,
    created_at: new Date().toISOString(),
  }))
  const manifest = JSON.stringify({ format: 'sub2api-playground-export', version: 1, pictures })
  const entries = Object.entries(files).map(([name, content]) => ({ name, content }))
  const answer = await person.upload('/imports', [
    ['pictures.zip', zipOf([{ name: 'manifest.json', content: manifest }, ...entries])],
  ])
  const { rows } = await until('pictures to be brought', async () => {
    const found = await app.db.pool.query<Brought & { name: string }>(
      `select e.name, p.id, p.token from import_entries e join pictures p on p.id = e.picture_id where import_id = $1`,
      [answer.location.slice('/imports/'.length)],
    )
    return found.rows.length === entries.length && found
  })
  return Object.fromEntries(rows.map(({ name, id, token }) => [name, { id, token }]))
}
