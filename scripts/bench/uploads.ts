import { randomBytes, randomUUID } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import sharp from 'sharp'
import { z } from 'zod'
import type { Figure } from './main.ts'
import { median } from './median.ts'
import type { Process, Site } from './site.ts'
import type { Visitor } from './visitor.ts'

const FILES = 16
const GROWTH_MB = 80
const VISIBLE_MS = 150
const POLL_MS = 10

/** Sixteen references of 20 MiB each: how fast a web process takes them, and how much it grows meanwhile. Linux only. */
export async function uploads(site: Site): Promise<Figure[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'playground-bench-uploads-'))
  const web = await site.run('web')
  try {
    const files = await makeFiles(folder)
    const person = await site.signIn(web, `uploader-${randomUUID()}`)
    await send(web, person, [path.join(folder, 'warm-up.png')])
    const before = await resident(web)
    const started = performance.now()
    await send(web, person, files.paths)
    const seconds = (performance.now() - started) / 1000
    const { peak } = await resident(web)
    const grown = peak - before.now
    return [
      {
        name: `${FILES} references of 20 MiB, checked and stored`,
        target: '–',
        measured: `${(files.bytes / 1024 ** 2 / seconds).toFixed(0)} MiB/s`,
        met: true,
      },
      {
        name: 'web process, growth meanwhile',
        target: `≤ ${GROWTH_MB} MB`,
        measured: `${grown.toFixed(0)} MB`,
        met: grown <= GROWTH_MB,
      },
    ]
  } finally {
    await web.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** From the gateway's last byte until a poll shows the picture, polled so often that the interval does not count. */
export async function visible(site: Site): Promise<Figure[]> {
  const app = await site.run('all')
  const person = await site.signIn(app, `watcher-${randomUUID()}`)
  const waits: number[] = []
  for (let round = 0; round < 30; round++) {
    const prompt = `visible ${randomUUID()}`
    const { headers } = await person.post('/images', { prompt, submission: randomUUID() })
    const url = String(headers.location)
    while (!(await person.get(url, { 'HX-Request': 'true' })).text.includes('state-done')) await delay(POLL_MS)
    const shown = Date.now()
    const [call] = z.array(z.object({ endedAt: z.coerce.date() })).parse(await site.calls(prompt))
    if (round >= 5) waits.push(shown - call!.endedAt.getTime())
  }
  await app.stop()
  const p50 = median(waits)
  const name = 'last gateway byte to picture visible, p50, over the poll interval'
  return [{ name, target: `≤ ${VISIBLE_MS} ms`, measured: `${p50.toFixed(0)} ms`, met: p50 <= VISIBLE_MS }]
}

/** Noise, so that it cannot be made smaller; a little less than 20 MiB each. */
async function makeFiles(folder: string): Promise<{ paths: string[]; bytes: number }> {
  const paths: string[] = []
  let bytes = 0
  for (const name of ['warm-up', ...Array.from({ length: FILES }, (_, number) => String(number))]) {
    const edge = 2630
    const raw = { width: edge, height: edge, channels: 3 } as const
    const png = await sharp(randomBytes(edge * edge * 3), { raw })
      .png({ compressionLevel: 0 })
      .toBuffer()
    const file = path.join(folder, `${name}.png`)
    await writeFile(file, png)
    if (name === 'warm-up') continue
    paths.push(file)
    bytes += png.length
  }
  return { paths, bytes }
}

async function send(web: Process, person: Visitor, paths: readonly string[]): Promise<void> {
  const form = new FormData()
  for (const file of paths) form.append('file', await openAsBlob(file), path.basename(file))
  form.append('prompt', '')
  const headers = {
    Cookie: person.cookies(),
    'HX-Request': 'true',
    'Sec-Fetch-Site': 'same-origin',
    Accept: 'text/html',
  }
  const answer = await fetch(`${web.url}/images/references`, { method: 'POST', body: form, headers })
  const text = await answer.text()
  const taken = text.match(/name="reference"/g)?.length ?? 0
  if (taken !== paths.length) throw new Error(`${taken} of ${paths.length} files were taken: ${text.slice(0, 500)}`)
}

/** In MB; the peak is that since the last call. */
async function resident({ pid }: Process): Promise<{ peak: number; now: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  await writeFile(`/proc/${pid}/clear_refs`, '5')
  return { peak: read('VmHWM'), now: read('VmRSS') }
}
