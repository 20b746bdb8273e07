import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { atEnd, type TestDatabase, testDatabase } from './database.ts'
import { tables } from './old-tables.ts'

export interface OldPlayground {
  db: TestDatabase
  dataDirectory: string
  /** Puts bytes there; answers the token under which rows name them. */
  asset(userId: number, bytes: Buffer, fields?: Record<string, unknown>): Promise<string>
  insert(table: string, row: Record<string, unknown>): Promise<string>
  /** A conversation with its snapshot: an object, or the bytes of a file. */
  conversation(userId: number, title: string, snapshot: object | Buffer | null): Promise<string>
}

/** An installation of the first product, as its data is laid out: a database and a folder. */
export async function oldPlayground(): Promise<OldPlayground> {
  const db = await testDatabase()
  await db.run('drop schema public cascade; create schema public')
  await db.run(tables)
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'playground-old-'))
  atEnd(() => rm(dataDirectory, { recursive: true, force: true }))

  async function insert(table: string, fields: Record<string, unknown>): Promise<string> {
    const row = table === 'playground_gallery_likes' ? fields : { id: randomUUID(), ...fields }
    const names = Object.keys(row)
    const places = names.map((_, index) => `$${index + 1}`)
    await db.run(`insert into ${table} (${names.join(', ')}) values (${places.join(', ')})`, Object.values(row))
    return 'id' in row ? String(row.id) : ''
  }
  async function write(name: string, bytes: Buffer | string): Promise<void> {
    const file = path.join(dataDirectory, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, bytes)
  }

  return {
    db,
    dataDirectory,
    insert,
    async asset(userId, bytes, fields = {}) {
      const token = randomUUID()
      const filePath = `${userId}/generated/${token}.png`
      await write(`assets/${filePath}`, bytes)
      await insert('playground_assets', {
        user_id: userId,
        kind: 'generated',
        file_path: filePath,
        mime_type: 'image/png',
        size_bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        public_token: token,
        ...fields,
      })
      return token
    },
    async conversation(userId, title, snapshot) {
      const row = { user_id: userId, workspace_type: 'create', title }
      const id = await insert('playground_conversations', row)
      if (snapshot) {
        const bytes = Buffer.isBuffer(snapshot) ? snapshot : JSON.stringify(snapshot)
        await write(`conversations/${userId}/${id}.json`, bytes)
      }
      return id
    },
  }
}
