import { spawn } from 'node:child_process'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import pLimit from 'p-limit'
import { openDatabase } from '../../src/db/db.ts'
import { tables } from '../../src/testing/old-tables.ts'
import type { Figure } from './main.ts'
import { root, type Site } from './site.ts'

const PEOPLE = 100
const PICTURES = Number(process.env.BENCH_MOVING ?? 100_000)
const CONVERSATIONS = PICTURES / 10
/** 64 px: what is done for each picture; 1024 px, 1.6 MB each: also for its bytes. */
const EDGE = Number(process.env.BENCH_MOVING_EDGE ?? 64)
const MINUTES = 10
const AT_ONCE = 2000

/** How long it takes to bring over the first playground, and whether the memory that it takes grows with what there is. */
export async function moving(site: Site): Promise<Figure[]> {
  const directory = await mkdtemp(path.join(tmpdir(), 'playground-moving-'))
  try {
    const databaseUrl = await site.emptyDatabase()
    await fill(databaseUrl, directory)
    const target = await site.emptyDatabase()
    const arguments_ = ['--database-url', databaseUrl, '--data-dir', directory, '--json']
    const first = await run(target, site.upstream, arguments_)
    const again = await run(target, site.upstream, arguments_)
    const kilobytes = Math.round(png(0).length / 1000)
    const what = `${PICTURES} pictures of ${EDGE} × ${EDGE} px, ${kilobytes} kB, and ${CONVERSATIONS} conversations`
    const minutes = first.seconds / 60
    return [
      {
        name: `moving in: ${what}`,
        target: `≤ ${MINUTES} min`,
        measured: `${minutes.toFixed(1)} min, ${(PICTURES / first.seconds).toFixed(0)} pictures/s, ${first.taken} taken`,
        met: minutes <= MINUTES && first.taken === PICTURES + CONVERSATIONS,
      },
      {
        name: 'moving in: memory after a fifth, and the most of the rest',
        target: 'flat: ≤ +20 %',
        measured: `${first.early.toFixed(0)} and ${first.late.toFixed(0)} MB`,
        met: first.late <= first.early * 1.2,
      },
      {
        name: 'moving in: once more, when all is there',
        target: `≤ ${MINUTES} min, nothing taken`,
        measured: `${(again.seconds / 60).toFixed(1)} min, ${again.taken} taken`,
        met: again.seconds <= MINUTES * 60 && again.taken === 0,
      },
    ]
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A first playground: each person with pictures, in conversations of ten. */
async function fill(url: string, directory: string): Promise<void> {
  const db = openDatabase({ url, max: 2 })
  try {
    await db.run(tables)
    for (let from = 0; from < PICTURES; from += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, PICTURES - from) }, (_, index) => from + index)
      const rows = await writing.map(numbers, async number => {
        const [userId, token, bytes] = [1 + (number % PEOPLE), randomUUID(), png(number)]
        const file = `${userId}/generated/${token}.png`
        await mkdir(path.join(directory, 'assets', String(userId), 'generated'), { recursive: true })
        await writeFile(path.join(directory, 'assets', file), bytes)
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        return { userId, token, file, bytes: bytes.length, sha256 }
      })
      const columns = ['userId', 'token', 'file', 'bytes', 'sha256'] as const
      const lists = columns.map(column => rows.map(row => row[column]))
      await db.run(
        `insert into playground_assets (id, user_id, kind, file_path, mime_type, size_bytes, sha256, public_token)
         select gen_random_uuid(), u, 'generated', f, 'image/png', b, s, t
         from unnest($1::bigint[], $2::uuid[], $3::text[], $4::bigint[], $5::text[]) as r (u, t, f, b, s)`,
        lists,
      )
      await db.run(
        `insert into playground_library_items (id, user_id, asset_token, prompt, size, folder, tags, favorite)
         select gen_random_uuid(), u, t, 'a picture of ' || t, '1024x1024', 'Folder ' || u % 7, array['tag ' || u % 11], u % 5 = 0
         from unnest($1::bigint[], $2::uuid[]) as r (u, t)`,
        lists.slice(0, 2),
      )
      await talk(rows)
    }

    async function talk(rows: { userId: number; token: string }[]): Promise<void> {
      const own = Map.groupBy(rows, ({ userId }) => userId)
      const talks = [...own].flatMap(([userId, each]) =>
        Array.from({ length: Math.floor(each.length / 10) }, (_, index) => ({
          id: randomUUID(),
          userId,
          tokens: each.slice(index * 10, index * 10 + 10).map(({ token }) => token),
        })),
      )
      await Promise.all(
        talks.map(async ({ id, userId, tokens }) => {
          const folder = path.join(directory, 'conversations', String(userId))
          await mkdir(folder, { recursive: true })
          await writeFile(path.join(folder, `${id}.json`), JSON.stringify(snapshotOf(tokens)))
        }),
      )
      await db.run(
        `insert into playground_conversations (id, user_id, workspace_type, title)
         select i, u, 'create', 'About ' || i from unnest($1::uuid[], $2::bigint[]) as r (i, u)`,
        [talks.map(({ id }) => id), talks.map(({ userId }) => userId)],
      )
    }
  } finally {
    await db.close()
  }
}

function snapshotOf(tokens: string[]) {
  const createdAt = Date.parse('2026-01-01')
  const message = (number: number, role: string, token: string | null) => ({
    id: String(number),
    role,
    content: `${role} says something of ${'a few dozen words '.repeat(12)}`,
    createdAt: createdAt + number * 1000,
    attachments: [],
    imageAssetToken: token,
    externalImageUrl: null,
  })
  return {
    workspaceType: 'create',
    chatMessages: tokens.flatMap((token, index) => [
      message(2 * index, 'user', null),
      message(2 * index + 1, 'assistant', token),
    ]),
    generatedImages: tokens.map((assetToken, index) => ({
      id: String(index),
      shareKey: null,
      taskId: null,
      status: null,
      prompt: 'a picture',
      size: '1024x1024',
      createdAt,
      assetToken,
      remoteUrl: null,
    })),
    pptState: null,
    spriteState: null,
  }
}

const writing = pLimit(16)
const profile = process.env.BENCH_MOVING_PROFILE
  ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_MOVING_PROFILE}`]
  : []
const [before, after] = halves()

/** The same picture, and another file each time. */
function png(number: number): Buffer {
  return Buffer.concat([before, chunk('tEXt', Buffer.from(`number\0${number}`)), after])
}

/** What stands before a text in a PNG, and behind it: noise of which half is left, as of a picture. */
function halves(): [Buffer, Buffer] {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(EDGE, 0)
  header.writeUInt32BE(EDGE, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const rows = randomBytes(EDGE * (1 + EDGE * 3)).map((byte, at) => (at % (1 + EDGE * 3) === 0 ? 0 : byte & 0x0f))
  const magic = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  const pixels = chunk('IDAT', deflateSync(rows, { level: 1 }))
  return [Buffer.concat([magic, chunk('IHDR', header)]), Buffer.concat([pixels, chunk('IEND', Buffer.alloc(0))])]
}

function chunk(type: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(type), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(named))
  return Buffer.concat([length, named, sum])
}

interface Run {
  seconds: number
  /** MB that it held at most until a fifth of the time of the first run had gone by, and after. */
  early: number
  late: number
  taken: number
}

async function run(databaseUrl: string, upstream: string, args: string[]): Promise<Run> {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'playground-moved-'))
  const started = performance.now()
  const held: number[] = []
  try {
    const child = spawn(process.execPath, [...profile, path.join(root, 'scripts/import-playground.ts'), ...args], {
      env: {
        PATH: process.env.PATH,
        // As npm run import:playground has it.
        UV_THREADPOOL_SIZE: '16',
        DATABASE_URL: databaseUrl,
        SUB2API_UPSTREAM: upstream,
        SESSION_SECRET: 's'.repeat(32),
        PLAYGROUND_DATA_DIR: dataDirectory,
        PLAYGROUND_STORAGE_PER_USER: '1TiB',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const watch = setInterval(() => {
      const status = statusOf(child.pid)
      const kilobytes = /^VmRSS:\s+(\d+)/m.exec(status)?.[1]
      if (kilobytes) held.push(Number(kilobytes) / 1000)
    }, 1000)
    let said = ''
    for await (const chunk of child.stdout) said += String(chunk)
    clearInterval(watch)
    const { counts } = JSON.parse(said.trim().split('\n').at(-1)!) as { counts: Record<string, { taken: number }> }
    const fifth = Math.ceil(held.length / 5)
    return {
      seconds: (performance.now() - started) / 1000,
      early: Math.max(0, ...held.slice(0, fifth)),
      late: Math.max(0, ...held.slice(fifth)),
      taken: (counts.pictures?.taken ?? 0) + (counts.conversations?.taken ?? 0),
    }
  } finally {
    await rm(dataDirectory, { recursive: true, force: true })
  }
}

/** As Linux tells it; nothing of a process that has just ended. */
function statusOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return ''
  }
}
