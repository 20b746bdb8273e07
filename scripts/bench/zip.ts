import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import { fetchBytes } from './download.ts'
import { generate } from './generate.ts'
import type { Figure } from './main.ts'
import type { Process, Site } from './site.ts'
import { memoryMb } from './usage.ts'

const PICTURES = 5000
const BYTES = 1_500_000
const MOST_MB = 60
const LEAST_SPEED = 150

/** Five thousand pictures as one ZIP: made ready, and fetched over HTTP. Needs 8 GB of disk for as long as it takes. */
export async function zip(site: Site): Promise<Figure[]> {
  const data = await mkdtemp(path.join(tmpdir(), 'playground-bench-zip-'))
  try {
    const app = await site.run('all', { PLAYGROUND_DATA_DIR: data, PLAYGROUND_STORAGE_PER_USER: '100GiB' })
    const person = await site.signIn(app, 'packer')
    await fill(site, path.join(data, 'assets'))

    const making = await watched(app, async () => {
      await person.post('/exports', { all: 'on', as_of: new Date().toISOString(), back: '/library' })
      return until(() => readyExport(site))
    })
    const fetching = await watched(app, () => fetchBytes(app, person, `/exports/${making.result}/file`))
    await app.stop()
    return [
      figure(`ZIP of ${PICTURES} × 1.5 MB, made ready`, making),
      figure(`ZIP of ${(fetching.result / 1e9).toFixed(1)} GB, fetched`, fetching),
    ]
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}

function figure(name: string, { seconds, more }: { seconds: number; more: number }): Figure {
  const speed = (PICTURES * BYTES) / 1e6 / seconds
  return {
    name,
    target: `≥ ${LEAST_SPEED} MB/s, ≤ +${MOST_MB} MB`,
    measured: `${speed.toFixed(0)} MB/s, +${more.toFixed(0)} MB`,
    met: speed >= LEAST_SPEED && more <= MOST_MB,
  }
}

/** How long it takes, and how much more memory the app has meanwhile than before, at most. */
async function watched<T>({ pid }: Process, work: () => Promise<T>) {
  const { now: before } = await memoryMb(pid)
  let most = before
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, (await memoryMb(pid)).now)
      await delay(100)
    }
  })()
  const started = performance.now()
  try {
    const result = await work()
    return { result, seconds: (performance.now() - started) / 1000, more: most - before }
  } finally {
    isOver = true
    await watching
  }
}

async function readyExport({ db }: Site): Promise<string | null> {
  const { rows } = await db.pool.query<{ id: string; state: string }>('select id, state from exports')
  if (rows[0]?.state === 'failed') throw new Error('the export failed')
  return rows[0]?.state === 'ready' ? rows[0].id : null
}

async function until<T>(check: () => Promise<T | null>): Promise<T> {
  for (;;) {
    const found = await check()
    if (found !== null) return found
    await delay(50)
  }
}

/** Bytes that no two have in common beyond what cannot be compressed. */
async function fill(site: Site, assets: string): Promise<void> {
  const noise = randomBytes(BYTES)
  const limit = pLimit(4)
  const written = await Promise.all(
    Array.from({ length: PICTURES }, (_, each) =>
      limit(async () => {
        const bytes = Buffer.from(noise)
        bytes.writeUInt32BE(each, 0)
        const token = randomBytes(24).toString('base64url')
        const folder = path.join(assets, token.slice(0, 2))
        await mkdir(folder, { recursive: true })
        await writeFile(path.join(folder, token), bytes)
        return { token, sha256: createHash('sha256').update(bytes).digest() }
      }),
    ),
  )
  await generate(site, async client => {
    const person = `(select id from users where email = 'packer@example.com')`
    await client.query(
      `insert into files (token, user_id, sha256, bytes, format, width, height, has_alpha, color)
       select token, ${person}, sha256, $3, 'png', 1024, 1024, false, '#778899'
       from unnest($1::text[], $2::bytea[]) as written (token, sha256)`,
      [written.map(({ token }) => token), written.map(({ sha256 }) => sha256), BYTES],
    )
    await client.query(
      `insert into pictures (user_id, token, model, prompt, requested_size, quality, width, height, bytes)
       select user_id, token, 'gpt-image-2', 'a lighthouse, seen from afar', '1024x1024', 'high', width, height, bytes
       from files where user_id = ${person}`,
    )
    await client.query('analyze files; analyze pictures')
  })
}
